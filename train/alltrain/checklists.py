"""What a paper on such a model has to tell: the items of two checklists, and which of them a run answers.

CLAIM, 44 items: J. Mongan, L. Moy, C. E. Kahn, Radiology: Artificial Intelligence 2 (2020) e200029; in the
numbering of its 2024 update, A. S. Tejani et al., Radiology: Artificial Intelligence 6 (2024) e240300.
TRIPOD+AI, 27 items in 52 parts: G. S. Collins et al., BMJ 385 (2024) e078378.

The wording is ours and short; the originals say what each item means. An item lists the facts of a run
(model_facts.py) that answer it, and what stays with the authors all the same. One without facts is open:
no machine knows who gave consent or who paid.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Item:
    """One item. facts: names in model_facts that answer it; left: what only the authors can tell."""

    number: str
    asks: str
    facts: tuple[str, ...] = ()
    left: str = ""


@dataclass(frozen=True, slots=True)
class Checklist:
    """A published list of items. source: what to read for their full meaning."""

    name: str
    source: str
    items: tuple[Item, ...]


CLAIM: Final = Checklist(
    "CLAIM 2024",
    "J. Mongan, L. Moy, C. E. Kahn, Radiology: Artificial Intelligence 2 (2020) e200029; items as numbered "
    "in the 2024 update, A. S. Tejani et al., Radiology: Artificial Intelligence 6 (2024) e240300",
    (
        Item("1", "Title: the kind of AI", ("technology",)),
        Item("2", "Abstract", ("internal", "performance"), "the abstract itself"),
        Item("3", "Background, intended use and role", ("intended_use",), "the background"),
        Item("4", "Aims and hypotheses"),
        Item("5", "Prospective or retrospective"),
        Item("6", "Goal of the study", ("goal",), "what question the study asks"),
        Item("7", "Where the data come from", ("data",), "who collected them, where and when"),
        Item("8", "Inclusion and exclusion", ("excluded",), "which patients and smears were eligible"),
        Item("9", "Preprocessing", ("preprocessing",)),
        Item("10", "Selection of subsets", ("subsets",)),
        Item("11", "De-identification"),
        Item("12", "Missing data", ("missing",), "missing clinical data"),
        Item("13", "Image acquisition", ("acquisition",), "microscope, objective, camera and stain"),
        Item("14", "How the reference standard was obtained", ("labels",), "how each label was obtained"),
        Item("15", "Why that reference standard"),
        Item("16", "Who annotated, with what training"),
        Item("17", "Annotation of the test set", ("test_labels",), "who annotated it"),
        Item("18", "Agreement between and within annotators"),
        Item("19", "How data were assigned to partitions", ("partition", "validation")),
        Item("20", "Level at which partitions are disjoint", ("disjoint",)),
        Item("21", "Intended sample size", ("sample_size",), "how large it was meant to be, and why"),
        Item("22", "The model in detail", ("model", "output")),
        Item("23", "Software", ("software", "code")),
        Item("24", "Initial weights", ("initialisation",)),
        Item("25", "Training", ("training", "augmentation", "machine")),
        Item("26", "How the final model was chosen", ("selection", "shipped")),
        Item("27", "Ensembles", ("ensemble",)),
        Item("28", "Measures of performance", ("measures",)),
        Item("29", "Uncertainty and significance", ("uncertainty",)),
        Item("30", "Robustness or sensitivity analysis", ("robustness",)),
        Item("31", "Explaining the model", ("explainability",)),
        Item("32", "Evaluation on internal data", ("internal", "calls")),
        Item("33", "Testing on external data", ("external",)),
        Item("34", "Trial registration"),
        Item("35", "Numbers included and excluded", ("numbers",), "patients or examinations excluded"),
        Item(
            "36",
            "Characteristics of each partition",
            ("partition_counts",),
            "age, sex, disease and treatment",
        ),
        Item("37", "Performance with its uncertainty", ("performance", "calibration")),
        Item("38", "Diagnostic performance and its precision", ("diagnostic", "confusion")),
        Item("39", "Where it fails", ("failures", "by_group"), "why it fails there"),
        Item("40", "Limitations", ("limitations",), "the discussion of them"),
        Item("41", "Implications for practice", ("intended_use",), "the discussion of them"),
        Item("42", "Study protocol and further technical detail", ("protocol",), "the protocol of the study"),
        Item(
            "43", "Availability of software, model and data", ("availability",), "where others can get them"
        ),
        Item("44", "Funding and the role of funders"),
    ),
)

TRIPOD_AI: Final = Checklist(
    "TRIPOD+AI",
    "G. S. Collins et al., BMJ 385 (2024) e078378",
    (
        Item(
            "1", "Title: development or evaluation, population, outcome", ("goal", "technology"), "population"
        ),
        Item("2", "Abstract", ("internal", "performance"), "the abstract itself"),
        Item("3a", "Healthcare context, rationale, earlier models"),
        Item("3b", "Target population, purpose, users", ("intended_use",), "the target population"),
        Item("3c", "Known health inequalities"),
        Item("4", "Objectives", ("goal",), "the question that the study asks"),
        Item(
            "5a", "Sources of data, how representative", ("data",), "why these data, and whom they represent"
        ),
        Item("5b", "Dates of collection"),
        Item("6a", "Setting and centres"),
        Item("6b", "Eligibility of participants", ("excluded",), "which patients were eligible"),
        Item("6c", "Treatments received"),
        Item(
            "7",
            "Data preparation and quality checks",
            ("preprocessing",),
            "differences between groups of people",
        ),
        Item("8a", "Outcome and how it was assessed", ("labels",), "how and when each label was assessed"),
        Item("8b", "Who assessed the outcome"),
        Item("8c", "Blinding of outcome assessment"),
        Item("9a", "Choice of predictors", ("predictors",)),
        Item(
            "9b",
            "Predictors and how they were measured",
            ("predictors", "acquisition"),
            "the microscope and stain",
        ),
        Item("9c", "Who measured predictors", ("predictor_assessors",)),
        Item("10", "Study size", ("sample_size",), "why it suffices"),
        Item("11", "Missing data", ("missing",), "missing clinical data"),
        Item("12a", "How data were used and partitioned", ("partition", "disjoint", "validation")),
        Item("12b", "How predictors entered the model", ("preprocessing", "augmentation")),
        Item(
            "12c",
            "Type of model, building, tuning, validation",
            ("model", "training", "selection", "internal"),
        ),
        Item("12d", "Heterogeneity between clusters", ("clusters",)),
        Item("12e", "Measures and plots of performance", ("measures", "uncertainty")),
        Item("12f", "Updating after evaluation", ("updating",)),
        Item("12g", "How predictions were calculated", ("calls",)),
        Item("13", "Class imbalance", ("imbalance",)),
        Item("14", "Fairness"),
        Item("15", "Output and thresholds", ("output", "calibration")),
        Item("16", "Differences between development and evaluation data", ("differences", "external")),
        Item("17", "Ethical approval and consent"),
        Item("18a", "Funding"),
        Item("18b", "Conflicts of interest"),
        Item("18c", "Protocol", ("protocol",), "the protocol of the study"),
        Item("18d", "Registration"),
        Item("18e", "Data sharing", ("data_kept",), "whether others can get the data"),
        Item("18f", "Code sharing", ("code",), "where others can get the code"),
        Item("19", "Patient and public involvement"),
        Item("20a", "Flow of participants", ("numbers",), "participants before the images were taken"),
        Item(
            "20b", "Characteristics of participants", ("partition_counts",), "age, sex, disease and treatment"
        ),
        Item(
            "20c",
            "Development beside evaluation data",
            ("partition_counts", "external"),
            "age, sex and disease",
        ),
        Item("21", "Numbers in each analysis", ("numbers", "partition_counts")),
        Item("22", "The full model", ("model", "availability")),
        Item(
            "23a",
            "Performance with intervals",
            ("performance", "diagnostic"),
            "figures by age, sex or centre",
        ),
        Item("23b", "Heterogeneity of performance", ("by_group",)),
        Item("24", "Results of updating", ("updating", "calibration")),
        Item("25", "Interpretation"),
        Item("26", "Limitations", ("limitations",), "the discussion of them"),
        Item("27a", "Poor or missing input in use", ("poor_input",)),
        Item("27b", "What users have to do and know", ("users",), "the expertise required"),
        Item("27c", "Next steps for research"),
    ),
)
