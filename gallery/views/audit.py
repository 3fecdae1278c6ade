"""The audit trail, for those who may read it."""

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from gallery.forms.audit import AuditFilterForm
from gallery.models import AuditEvent
from gallery.views.access import PersonRequest, permission_required

EVENTS_A_PAGE = 100


@require_safe
@permission_required("gallery.view_auditevent")
def trail(request: PersonRequest) -> HttpResponse:
    form = AuditFilterForm(request.GET)
    events = form.apply(AuditEvent.objects.all())
    page = Paginator(events, EVENTS_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "gallery/audit.html", {"form": form, "page": page})
