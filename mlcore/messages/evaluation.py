"""Of evaluations, comparisons and the gate."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _

MESSAGES: dict[str, Sentence] = {
    "evaluation.stopped": _("The evaluation was stopped before its end."),
    "evaluation.too_few_pictures": _(
        "reference-100 draws %(queries)s pictures, and %(source)s has only %(pictures)s; choose "
        "another split or fewer queries."
    ),
    "evaluation.needs_the_indexed": _(
        'The gallery "indexed" needs the vectors of everything that is indexed, which only the '
        "site has: use manage.py evaluate, or choose the gallery queried or split."
    ),
    "evaluation.evidence_of_the_indexed": _(
        'The gallery "indexed" is searched by pictures alone; choose the gallery queried or split '
        "to measure other evidence."
    ),
    "evaluation.command_knows_no_index": _(
        "This command knows no database and so nothing that is indexed. Run manage.py evaluate "
        "--gallery indexed, or choose --gallery queried or split here."
    ),
    "evaluation.no_folder_for_report": _(
        "%(folder)s is no folder; the report cannot be written there."
    ),
    "judgements.none": _(
        "%(folder)s has no judgements: the protocol flickr8k-judgements reads %(names)s, beside "
        "the captions of Flickr8k."
    ),
    "judgements.unreadable": _("%(path)s cannot be read."),
    "judgements.nothing_to_compare": _(
        "None of the judgements is about pictures and captions of %(source)s."
    ),
    "composition.nothing_to_change": _(
        "No caption of %(source)s holds a colour, count, action, place or role that could be "
        "changed; the composition test needs English captions with some of these."
    ),
    "comparison.no_outcomes": _(
        "These evaluations did not keep what each query found, so they cannot be compared query "
        "by query; run both again."
    ),
    "comparison.other_queries": _(
        "%(live)s and %(candidate)s were not asked the same queries; evaluate both on the same "
        "pictures, with the same protocol and seed."
    ),
    "comparison.other_gallery": _(
        "%(live)s looked among %(live_gallery)s pictures and %(candidate)s among "
        "%(candidate_gallery)s; evaluate both over the same gallery."
    ),
    "metric.precision": _("precision at %(k)s"),
    "metric.recall": _("recall at %(k)s"),
    "metric.hit_rate": _("hit rate at %(k)s"),
    "metric.ndcg": _("nDCG at %(k)s"),
    "metric.mrr": _("MRR"),
    "gate.test": _("test pictures"),
    "gate.general_set": _("general set"),
    "gate.nonsense": _("test of nonsense"),
    "gate.calibration": _("calibration of the relevance"),
    "gate.summary_refused": _("Refused by the gate."),
    "gate.summary_better": _("Passed the gate; something got better and nothing much worse."),
    "gate.summary_not_worse": _("Passed the gate: not worse, but nothing got better."),
    "gate.nonsense_passed": _(
        "Of %(queries)s queries that nothing answers, a share of %(candidate)s has a strong hit, "
        "at most %(limit)s: the live model has %(live)s, and the upper end of the live model's "
        "95 %% interval sets the limit."
    ),
    "gate.nonsense_failed": _(
        "Of %(queries)s queries that nothing answers, a share of %(candidate)s has a strong hit, "
        "more than %(limit)s: the live model has %(live)s, and the upper end of the live model's "
        "95 %% interval sets the limit."
    ),
    "gate.calibration_passed": _(
        "On %(pairs)s pairs its Brier score is %(candidate)s (calibration error %(error)s), at "
        "most %(limit)s: the live model has %(live)s, and the upper end of the live model's "
        "95 %% interval sets the limit."
    ),
    "gate.calibration_failed": _(
        "On %(pairs)s pairs its Brier score is %(candidate)s (calibration error %(error)s), more "
        "than %(limit)s: the live model has %(live)s, and the upper end of the live model's "
        "95 %% interval sets the limit."
    ),
    "gate.few_test_pictures": _(
        "Both models have vectors of only %(count)s captioned test pictures, and %(least)s are "
        "needed to tell; add captions."
    ),
    "gate.other_nonsense": _(
        "The two models were not tested with the same queries for nonsense; test both again."
    ),
    "gate.other_pairs": _(
        "The live model's calibration is of %(live)s pairs and the candidate's of %(candidate)s; "
        "measure both on the same ones."
    ),
    "gate.test_passed": _(
        "On %(queries)s test queries its %(metric)s is %(candidate)s, at least %(limit)s: the "
        "live model has %(live)s, and the lower end of the live model's 95 %% interval sets the "
        "limit."
    ),
    "gate.test_failed": _(
        "On %(queries)s test queries its %(metric)s is %(candidate)s, less than %(limit)s: "
        "the live model has %(live)s, and the lower end of the live model's 95 %% interval sets "
        "the limit."
    ),
    "gate.query_set_passed": _(
        "On the query set “%(name)s” its %(metric)s is %(candidate)s, at least %(limit)s: the live "
        "model has %(live)s, and the tolerance of %(tolerance)s sets the limit."
    ),
    "gate.query_set_failed": _(
        "On the query set “%(name)s” its %(metric)s is %(candidate)s, less than %(limit)s: the "
        "live model has %(live)s, and the tolerance of %(tolerance)s sets the limit."
    ),
    "gate.general_set_passed": _(
        "On the general set, which guards against forgetting, its %(metric)s is %(candidate)s, at "
        "least %(limit)s: the live model has %(live)s, and the margin of %(margin)s sets the limit."
    ),
    "gate.general_set_failed": _(
        "On the general set, which guards against forgetting, its %(metric)s is %(candidate)s, "
        "less than %(limit)s: the live model has %(live)s, and the margin of %(margin)s sets the "
        "limit."
    ),
    "gate.not_checked": _("Not checked: %(what)s. %(why)s"),
    "gate.query_set_not_checked": _("Not checked: the query set “%(name)s”. %(why)s"),
    "gate.no_query_with_a_picture": _("None of its queries has a picture that is embedded."),
    "gate.no_general_set": _("CONTEXTVISION_GENERAL_SET names none."),
    "gate.no_interval": _(
        "The live model's %(metric)s was measured without an interval; evaluate it again."
    ),
    "gate.asked_differently": _(
        "The live model was asked %(live_queries)s queries among %(live_gallery)s pictures and the "
        "candidate %(candidate_queries)s among %(candidate_gallery)s; evaluate both on the same "
        "ones."
    ),
}
