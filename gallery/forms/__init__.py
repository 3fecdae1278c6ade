"""What people fill in."""

from gallery.forms.evaluations import CompareForm, EvaluationForm, PromotionForm
from gallery.forms.managing import BulkForm, CaptionsForm, ChosenForm, ManagedFilterForm
from gallery.forms.pictures import CollectForm, ImageForm
from gallery.forms.query_sets import KeepSearchForm, QueryFormSet, QuerySetForm
from gallery.forms.training import FineTuneForm
from gallery.forms.uploads import ImportForm, UploadForm
from gallery.forms.work import FailureFilterForm, StartJobForm

__all__ = [
    "BulkForm",
    "CaptionsForm",
    "ChosenForm",
    "CollectForm",
    "CompareForm",
    "EvaluationForm",
    "FailureFilterForm",
    "FineTuneForm",
    "ImageForm",
    "ImportForm",
    "KeepSearchForm",
    "ManagedFilterForm",
    "PromotionForm",
    "QueryFormSet",
    "QuerySetForm",
    "StartJobForm",
    "UploadForm",
]
