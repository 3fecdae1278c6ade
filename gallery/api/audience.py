"""Who is to see pictures, as programs say it."""

from typing import Any

from django.contrib.auth.models import Group
from django.utils.translation import gettext
from rest_framework import serializers

from gallery.api.strict import StrictSerializer
from gallery.models.choices import Visibility
from gallery.selectors import groups_to_choose


class GroupListField(serializers.ListField):
    """Names of groups to which the person may show pictures."""

    child = serializers.CharField(max_length=150)

    def to_internal_value(self, data: Any) -> list[Group]:
        names = set(super().to_internal_value(data))
        found = list(groups_to_choose(self.context["request"].user).filter(name__in=names))
        if missing := names - {group.name for group in found}:
            sentence = gettext("There is no group %(names)s that you may choose.")
            raise serializers.ValidationError(sentence % {"names": ", ".join(sorted(missing))})
        return found


class AudienceSerializer(StrictSerializer):
    """Adds who sees pictures; the groups by their names."""

    groups = GroupListField(
        required=False,
        help_text="Names of the groups whose members see it, with the visibility `groups`.",
    )

    def validate(self, attrs: Any) -> Any:
        is_for_groups = attrs.get("visibility") == Visibility.GROUPS
        if is_for_groups != bool(attrs.get("groups")):
            raise serializers.ValidationError(
                {"groups": gettext("Name groups with the visibility “groups”, and only with it.")}
            )
        return attrs
