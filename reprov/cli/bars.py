"""Progress bars on a terminal; this module, and with it rich, is loaded only when stderr is one."""

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from reprov.cli.monitors import LineMonitor
from reprov.cli.tables import human_count, human_size
from reprov.events import Event, PhaseAdvanced, PhaseEnded, PhaseStarted

_BAR_CELLS = 10  # leaves room for title, amounts, rate and ETA in 80 columns


class BarMonitor:
    """A bar for each phase that runs; when it ends, the bar gives way to the line that a log would get."""

    def __init__(self) -> None:
        self._lines = LineMonitor()
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def emit(self, event: Event) -> None:
        """Draw, move or remove a bar."""
        if isinstance(event, PhaseStarted):
            self._start(event)
        elif isinstance(event, PhaseAdvanced):
            self._advance(event)
        else:
            if isinstance(event, PhaseEnded):
                self._end(event.phase)
            self._lines.emit(event)

    def close(self) -> None:
        """Take everything off the screen and give the cursor back."""
        if self._progress is not None:
            self._progress.stop()
        self._progress = None
        self._tasks.clear()

    def _start(self, event: PhaseStarted) -> None:
        if self._progress is None:
            # stdout stays as it is: rich would print answers on stderr, among the bars.
            self._progress = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=_BAR_CELLS),
                AmountColumn(),
                TimeRemainingColumn(compact=True),
                console=Console(stderr=True, highlight=False),
                transient=True,
                redirect_stdout=False,
            )
            self._progress.start()
        total = event.size_bytes or event.files or None
        task = self._progress.add_task(event.title, total=total, files=0, files_total=event.files, size=0, size_total=event.size_bytes)
        self._tasks[event.phase] = task

    def _advance(self, event: PhaseAdvanced) -> None:
        task = self._tasks.get(event.phase)
        if self._progress is None or task is None:
            return
        counts_bytes = bool(self._progress.tasks[self._progress.task_ids.index(task)].fields["size_total"])
        completed = event.size_bytes if counts_bytes else event.files
        self._progress.update(task, completed=completed, files=event.files, size=event.size_bytes)

    def _end(self, phase: str) -> None:
        task = self._tasks.pop(phase, None)
        if self._progress is None or task is None:
            return
        self._progress.remove_task(task)
        if not self._tasks:
            self.close()


class AmountColumn(ProgressColumn):
    """Files and bytes so far, of how many, and the rate: "1,234/75,000  56.7 MB/1.9 GB  12.3 MB/s"."""

    def render(self, task: Task) -> Text:
        """The amounts of one phase; a total that nobody knows is left out."""
        words = []
        if task.fields["files"] or task.fields["files_total"]:
            words.append(_of_total(human_count(task.fields["files"]), human_count(task.fields["files_total"]), task.fields["files_total"]))
        if task.fields["size"] or task.fields["size_total"]:
            words.append(_of_total(human_size(task.fields["size"]), human_size(task.fields["size_total"]), task.fields["size_total"]))
        speed = task.speed
        if speed and task.fields["size_total"]:
            words.append(f"{human_size(round(speed))}/s")
        return Text("  ".join(words), no_wrap=True)


def _of_total(done: str, total: str, known: int) -> str:
    return f"{done}/{total}" if known else done
