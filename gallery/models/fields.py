"""A column for what people are told."""

from typing import Any

from django.db import models

from mlcore.i18n import Message


class MessageField(models.JSONField):
    """A :class:`mlcore.i18n.Message`, kept as its code and parameters; None where nothing is said.

    It is put into words where it is shown, in the language of whoever reads it.
    """

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Message | None:
        kept = super().from_db_value(value, expression, connection)
        return None if kept is None else Message.from_json(kept)

    def to_python(self, value: Any) -> Any:
        return Message.from_json(value) if isinstance(value, dict) else value

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        kept = value.as_json() if isinstance(value, Message) else value
        return super().get_db_prep_value(kept, connection, prepared)

    def value_to_string(self, obj: models.Model) -> Any:
        value = self.value_from_object(obj)
        return value.as_json() if isinstance(value, Message) else value
