"""What to start, and what to list."""

from django import forms
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from gallery.access import require
from gallery.jobs.kinds import KINDS
from gallery.models import Failure, Job
from gallery.services import jobs, versions


class StartJobForm(forms.Form):
    """Work that a button starts. One unfinished job of each kind is enough."""

    kind = forms.ChoiceField(choices=[(Job.Kind.EMBED, _("Embed")), (Job.Kind.INDEX, _("Index"))])

    def start(self, user: User) -> Job:
        """Raises PermissionDenied where this person may start none of this kind."""
        require(user, KINDS[self.cleaned_data["kind"]].permission)
        if self.cleaned_data["kind"] == Job.Kind.INDEX:
            return versions.request_rebuild(user=user)
        return jobs.start(Job.Kind.EMBED, user=user, key=Job.Kind.EMBED)


class FailureFilterForm(forms.Form):
    stage = forms.ChoiceField(
        label=_("Stage"), required=False, choices=[("", _("All stages")), *Failure.Stage.choices]
    )

    def apply(self, failures: QuerySet[Failure]) -> QuerySet[Failure]:
        """Keep those of the stage that was chosen; an unknown stage keeps all."""
        stage = self.cleaned_data.get("stage", "") if self.is_valid() else ""
        return failures.filter(stage=stage) if stage else failures
