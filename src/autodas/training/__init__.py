"""The train loop, and what searching and training share."""

from autodas.accuracy import standard_error
from autodas.progress import Progress, duration
from autodas.settings import Graphs, OptimSettings, Precision, learning_rate
from autodas.stopping import StopRequest
from autodas.training._available_memory import available_memory
from autodas.training._board import open_log
from autodas.training._computed import tell_what_changed, what_computes
from autodas.training._dimensions import check_blueprint, check_space
from autodas.training._environment import environment, write_environment
from autodas.training._evaluate import Evaluation, evaluate, fuse
from autodas.training._gradient_check import check_reduced_gradients
from autodas.training._inputs import input_facts
from autodas.training._metrics import LossWatch, Meter, correct_in_top, shown
from autodas.training._micro_batches import MicroBatch, check_micro_batches, micro_batches
from autodas.training._optimisers import keep_only, load_optimiser, set_learning_rate, weight_optimiser
from autodas.training._out_of_memory import explain_out_of_memory, is_out_of_memory
from autodas.training._recorded import RecordedIteration, recorder_for
from autodas.training._remarks import remarks
from autodas.training._seeding import (
    checked_random_state,
    random_state,
    restore_random_state,
    seed_everything,
    use_deterministic,
    use_single_precision,
)
from autodas.training._used_memory import used_memory
from autodas.training.checkpoint import explain_damage, load_checkpoint, save_checkpoint
from autodas.training.run_data import changed_since, check_same_data, notes_of_run, trained_on, write_data

__all__ = [
    "Evaluation",
    "Graphs",
    "LossWatch",
    "Meter",
    "MicroBatch",
    "OptimSettings",
    "Precision",
    "Progress",
    "RecordedIteration",
    "StopRequest",
    "available_memory",
    "changed_since",
    "check_blueprint",
    "check_micro_batches",
    "check_reduced_gradients",
    "check_same_data",
    "check_space",
    "checked_random_state",
    "correct_in_top",
    "duration",
    "environment",
    "evaluate",
    "explain_damage",
    "explain_out_of_memory",
    "fuse",
    "input_facts",
    "is_out_of_memory",
    "keep_only",
    "learning_rate",
    "load_checkpoint",
    "load_optimiser",
    "micro_batches",
    "notes_of_run",
    "open_log",
    "random_state",
    "recorder_for",
    "remarks",
    "restore_random_state",
    "save_checkpoint",
    "seed_everything",
    "set_learning_rate",
    "shown",
    "standard_error",
    "tell_what_changed",
    "trained_on",
    "use_deterministic",
    "use_single_precision",
    "used_memory",
    "weight_optimiser",
    "what_computes",
    "write_data",
    "write_environment",
]
