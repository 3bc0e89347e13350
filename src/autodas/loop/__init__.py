"""Parts shared by searching and training: the step, the record of a run, arguments, tasks, memory."""

from autodas.loop._agreement import check_same_facts, check_same_tensors, digest_of
from autodas.loop._arguments import CellDrawings, Compute, InputShape, Keeping
from autodas.loop._available_memory import available_memory
from autodas.loop._board import open_log
from autodas.loop._clock import Clock, time_of_epoch
from autodas.loop._computed import tell_what_changed, what_computes
from autodas.loop._counters import counted_together
from autodas.loop._device import best_device, check_precision
from autodas.loop._dimensions import check_blueprint, check_space
from autodas.loop._environment import environment, process_facts, write_environment
from autodas.loop._gradient_check import check_reduced_gradients
from autodas.loop._group import ALONE, Exchange, Group, Pieces, Several, finished
from autodas.loop._inputs import input_facts
from autodas.loop._iterations import Iterations
from autodas.loop._keeper import Keeper
from autodas.loop._loss_watch import LossWatch
from autodas.loop._micro_batches import MicroBatch, check_micro_batches, micro_batches
from autodas.loop._optimisers import (
    keep_only,
    load_optimiser,
    on_accelerator,
    set_learning_rate,
    weight_optimiser,
)
from autodas.loop._out_of_memory import explain_out_of_memory, is_out_of_memory
from autodas.loop._own_state import OWN, load_own_state, own_state
from autodas.loop._peak_memory import import_late, peak_in_fresh_process, peak_of, peak_resident, print_peak
from autodas.loop._processes import free_memory, own_device, start_group
from autodas.loop._recorded import RecordedIteration, recorder_for
from autodas.loop._seeding import (
    checked_random_state,
    random_state,
    restore_random_state,
    seed_everything,
    seed_process,
    use_deterministic,
    use_single_precision,
)
from autodas.loop._step import Losses, add_gradient, clipped_step, in_precision, unreduced
from autodas.loop._threads import FOR_A_THREAD, limit_threads
from autodas.loop._used_memory import used_memory
from autodas.loop.checkpoint import explain_damage, load_checkpoint, save_checkpoint
from autodas.loop.run_data import changed_since, check_same_data, notes_of_run, trained_on, write_data

__all__ = [
    "ALONE",
    "FOR_A_THREAD",
    "OWN",
    "CellDrawings",
    "Clock",
    "Compute",
    "Exchange",
    "Group",
    "InputShape",
    "Iterations",
    "Keeper",
    "Keeping",
    "LossWatch",
    "Losses",
    "MicroBatch",
    "Pieces",
    "RecordedIteration",
    "Several",
    "add_gradient",
    "available_memory",
    "best_device",
    "changed_since",
    "check_blueprint",
    "check_micro_batches",
    "check_precision",
    "check_reduced_gradients",
    "check_same_data",
    "check_same_facts",
    "check_same_tensors",
    "check_space",
    "checked_random_state",
    "clipped_step",
    "counted_together",
    "digest_of",
    "environment",
    "explain_damage",
    "explain_out_of_memory",
    "finished",
    "free_memory",
    "import_late",
    "in_precision",
    "input_facts",
    "is_out_of_memory",
    "keep_only",
    "limit_threads",
    "load_checkpoint",
    "load_optimiser",
    "load_own_state",
    "micro_batches",
    "notes_of_run",
    "on_accelerator",
    "open_log",
    "own_device",
    "own_state",
    "peak_in_fresh_process",
    "peak_of",
    "peak_resident",
    "print_peak",
    "process_facts",
    "random_state",
    "recorder_for",
    "restore_random_state",
    "save_checkpoint",
    "seed_everything",
    "seed_process",
    "set_learning_rate",
    "start_group",
    "tell_what_changed",
    "time_of_epoch",
    "trained_on",
    "unreduced",
    "use_deterministic",
    "use_single_precision",
    "used_memory",
    "weight_optimiser",
    "what_computes",
    "write_data",
    "write_environment",
]
