"""Of models that turn pictures and words into vectors."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _

MESSAGES: dict[str, Sentence] = {
    # Which model
    "model.not_found": _(
        "There is no model '%(reference)s': it is not a folder on this machine, nor 'starter', nor "
        "a hub name such as openai/clip-vit-base-patch32."
    ),
    "model.not_readable": _(
        "%(path)s cannot be read by the user that this program runs as. Let everybody read the "
        "folder of the model: chmod -R a+rX."
    ),
    "model.no_config": _(
        "%(name)s is not a model folder: it has no config.json. Point to a folder that "
        "transformers or this program saved."
    ),
    "model.unreadable_config": _("%(name)s cannot be loaded. %(reason)s"),
    "model.unknown_type": _(
        "%(name)s is a model of the type '%(type)s', which is none of those that are known: "
        "%(known)s. Choose a checkpoint whose config.json has such a model_type."
    ),
    "model.unknown_kind": _(
        "The checkpoint %(name)s is of the kind '%(kind)s', which this version cannot load; choose "
        "one of these kinds: %(known)s."
    ),
    "model.no_safetensors": _(
        "%(name)s has no weights in the safetensors format, and pickled weights (.bin, .pt) are "
        "never read because they can run code; convert them to safetensors on a machine you can "
        "afford to lose."
    ),
    "model.not_compilable": _(
        "%(name)s cannot be compiled for OpenVINO; choose torch or auto to run it."
    ),
    "model.no_direction": _(
        "The model gave a vector that has no direction or is not finite; its weights are damaged "
        "or the training that made them failed. Load another checkpoint."
    ),
    "clip.incomplete": _(
        "%(name)s cannot be loaded as a CLIP model (%(reason)s); get the whole checkpoint again, "
        "with its tokenizer files."
    ),
    "clip.missing_weights": _(
        "%(name)s lacks %(number)s of the weights its config.json speaks of, for example "
        "%(example)s; get the whole checkpoint again."
    ),
    "clip.other_tokenizer": _(
        "The tokenizer of %(name)s does not belong to its model: it never writes the end token "
        "%(token)s; get the whole checkpoint again."
    ),
    "clip.other_preprocessing": _(
        "%(name)s prepares its pictures in a way that is not supported: %(file)s says "
        "%(setting)s, and only %(accepted)s gives right vectors here. Choose another checkpoint."
    ),
    "clip.no_normalisation": _(
        "%(name)s cannot be loaded: %(file)s says %(setting)s, and pictures cannot be rescaled or "
        "normalised with that; get the whole checkpoint again."
    ),
    "starter.missing_package": _(
        "The starter needs the package %(requirement)s, which is missing here or is another "
        "version; run 'pip install --force-reinstall %(requirement)s'."
    ),
    "starter.other_kind": _(
        "%(path)s holds a model of the kind '%(kind)s' and not heads of the starter."
    ),
    "starter.other_towers": _(
        "The heads in %(path)s were trained for other towers; train them again with "
        "'python -m mlcore train'."
    ),
    "starter.text_tower_misfit": _(
        "The checkpoint changes '%(name)s' of the text tower, and it does not fit; train it again "
        "with 'python -m mlcore train'."
    ),
    # Models of sentences
    "sentences.not_found": _(
        "There is no model of sentences '%(reference)s': it is not a folder on this machine, nor "
        "'minilm', nor a hub name such as sentence-transformers/all-MiniLM-L6-v2."
    ),
    "sentences.no_modules": _(
        "%(name)s has no modules.json, so nothing says how its tokens become the vector of a "
        "sentence. Choose a model that sentence-transformers saved."
    ),
    "sentences.not_followed": _(
        "%(name)s cannot be used for sentences: its %(file)s says %(setting)s, which is not "
        "supported, and without it the vectors would be wrong. Choose a model with one "
        "transformer, pooled by mean, cls or lasttoken, and compared by the cosine."
    ),
    "sentences.incomplete": _(
        "%(name)s cannot be loaded as a model of sentences (%(reason)s); get the whole model "
        "again, with its tokenizer.json."
    ),
    # The hub
    "hub.gated": _(
        "The model %(name)s is only given to people who accepted its terms; accept them on the hub "
        "and set HF_TOKEN."
    ),
    "hub.no_model": _(
        "The hub has no model '%(name)s'; check the spelling, or set HF_TOKEN if it is private."
    ),
    "hub.no_revision": _(
        "The hub has no model '%(name)s' with the revision '%(revision)s'; check the spelling, or "
        "set HF_TOKEN if it is private."
    ),
    "hub.unreachable": _(
        "The model %(name)s is not in the local cache and the hub cannot be reached (%(reason)s); "
        "connect to the network once, copy the model into a folder and name that folder, or use "
        "'starter'."
    ),
    # Where and in which precision
    "runtime.no_device": _(
        "The device '%(device)s' is not present on this machine; use 'auto' or 'cpu'."
    ),
    "runtime.openvino_missing": _(
        "CONTEXTVISION_RUNTIME or --runtime asks for OpenVINO, which is not installed; choose auto "
        "to take what there is."
    ),
    "runtime.openvino_device": _(
        "CONTEXTVISION_RUNTIME or --runtime asks for OpenVINO, which does not run on '%(device)s'; "
        "choose auto to take what there is."
    ),
    "runtime.not_accepted": _("%(variable)s is '%(value)s'; it accepts %(accepted)s."),
    "runtime.no_int8": _(
        "This processor has no instructions for int8 (VNNI); use 'auto', bfloat16 or float32."
    ),
    "runtime.int8_in_torch": _(
        "Torch encodes in bfloat16 or float32; int8 needs OpenVINO, on a processor."
    ),
    "runtime.nothing_to_compile_for": _(
        "OpenVINO is not installed, so there is nothing to compile for; models run on torch."
    ),
    "compiled.unreadable": _("The compiled %(name)s does not read back."),
    "compiled.killed": _(
        "Compiling %(path)s was ended by signal %(signal)s; it takes 2 GB of memory for a "
        "ViT-B/32. Give this machine more, or set CONTEXTVISION_RUNTIME=torch."
    ),
    "compiled.failed": _("%(path)s cannot be compiled: %(reason)s"),
    "compiled.unwritable": _("%(path)s cannot be written (%(reason)s)"),
    "compiled.kept_nowhere": _(
        "The compiled model cannot be kept: %(reasons)s. Give this user a folder to write to."
    ),
    # Checkpoint folders
    "checkpoint.exists": _("%(path)s exists already; choose a folder that does not exist."),
    "checkpoint.other_file": _(
        "%(name)s cannot be part of a checkpoint; weights are safetensors only."
    ),
    "checkpoint.unwritable": _(
        "The checkpoint %(path)s could not be written (%(reason)s); check free space and "
        "permissions."
    ),
    "checkpoint.no_manifest": _("%(path)s is not a checkpoint: it has no manifest.json."),
    "checkpoint.other_format": _(
        "%(path)s has format %(format)s, and this version reads format %(known)s; write the "
        "checkpoint again."
    ),
    "checkpoint.malformed": _("%(path)s is malformed; restore it from a copy."),
    "checkpoint.outside": _("%(path)s names a file outside its folder: %(name)s."),
    "checkpoint.missing": _("%(path)s is missing; restore the checkpoint from a copy."),
    "checkpoint.damaged": _(
        "%(path)s is damaged: its bytes are not those that were written; restore the checkpoint "
        "from a copy."
    ),
    "checkpoint.not_listed": _("%(path)s does not list %(name)s; write it again."),
    "checkpoint.no_json": _("%(path)s cannot be read as JSON; restore it from a copy."),
    "checkpoint.no_object": _("%(path)s does not hold a JSON object; restore it from a copy."),
}
