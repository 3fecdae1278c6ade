"""The audit trail for programs."""

from typing import Any, ClassVar

from django_filters import CharFilter, FilterSet, IsoDateTimeFilter
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets

from gallery.api.permissions import Needs, Permitted
from gallery.api.serializers import MessageField
from gallery.api.strict import StrictView
from gallery.models import AuditEvent


class AuditFilterSet(FilterSet):  # type: ignore[misc]
    code = CharFilter("code", label="What was done, such as `images_deleted`.")
    who = CharFilter("user_name", label="Name of the account.")
    kind = CharFilter("object_kind", label="Kind of the object, such as `image`.")
    object = CharFilter("object_id", label="Id of the object, where there is one.")
    since = IsoDateTimeFilter("at", "gte", label="Not before this moment.")
    until = IsoDateTimeFilter("at", "lte", label="Not after this moment.")

    class Meta:
        model = AuditEvent
        fields: list[str] = []


class AuditEventSerializer(serializers.ModelSerializer[AuditEvent]):
    message = MessageField(read_only=True, help_text="What was done.")
    who = serializers.CharField(source="user_name", help_text="Empty for the system itself.")
    kind = serializers.CharField(source="object_kind")
    object = serializers.CharField(source="object_id", help_text="Empty where there are several.")

    class Meta:
        model = AuditEvent
        fields = ["id", "at", "who", "code", "message", "kind", "object", "address"]
        read_only_fields = fields


@extend_schema_view(list=extend_schema(summary="Read who did what, newest first"))
class AuditEventViewSet(StrictView, mixins.ListModelMixin, viewsets.GenericViewSet[Any]):
    queryset = AuditEvent.objects.all()
    serializer_class = AuditEventSerializer
    permission_classes = [Permitted]
    needs: ClassVar[Needs] = {"list": ("gallery.view_auditevent",)}
    filterset_class = AuditFilterSet
    filter_backends = [DjangoFilterBackend]
