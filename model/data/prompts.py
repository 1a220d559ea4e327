"""The sentences in which a name stands when CLIP reads it; {} is the name."""

ATTRIBUTE_PROMPTS = (
    "an aerial photograph with {}.",
    "a satellite image with {}.",
    "an overhead view of {}.",
    "{} seen from above.",
)
CLASS_PROMPTS = (
    "a satellite image of a {}.",
    "an aerial photograph of a {}.",
    "an overhead view of {}.",
    "{} seen from above.",
)
