"""Step 6: where the time of an iteration goes, kernel by kernel."""

from __future__ import annotations

from dataclasses import replace

from torch.profiler import ProfilerActivity, profile

from .tools import SMALLEST, Check, Running, Setting

ROWS = 40


def run(check: Check) -> None:
    """Write a table of the kernels of a usual iteration and of a recorded one, at the start and the end."""
    for decisions, graphs in ((33, "off"), (0, "off"), (0, "auto"))[: 1 if check.tiny else 3]:
        setting = Setting(decisions=decisions, graphs=graphs)
        running = Running(check, replace(setting, **SMALLEST) if check.tiny else setting)
        for _ in range(3):
            running.step()
        check.wait()
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if check.gpu else [])]
        with profile(activities=activities) as seen:
            running.step()
            check.wait()
        order = "self_device_time_total" if check.gpu else "self_cpu_time_total"
        table = seen.key_averages().table(sort_by=order, row_limit=ROWS, max_name_column_width=90)
        name = f"profile-{decisions}-{graphs}.txt"
        (check.out / name).write_text(table)
        launched = sum("cuda" in str(event.device_type).lower() for event in seen.events() or ())
        check.tell("profile", decisions=decisions, graphs=graphs, kernels=launched, table=name)
