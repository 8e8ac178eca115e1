"""A run of retention: carries the plan out file by file; one that fails stops no other."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from ravequant.errors import LockedError, NoDataError, VaultError
from ravequant.settings import Retention
from ravequant.vault import compress
from ravequant.vault.gap_ledger import read_generation
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault
from ravequant.vault.raw_content import RawContents
from ravequant.vault.retention import plan
from ravequant.vault.retention.plan import Action, Survey
from ravequant.vault.retention.report import (
    DONE,
    FAILED,
    PLANNED,
    SKIPPED,
    ActionResult,
    size,
)
from ravequant.vault.retention.survey import (
    age_moment,
    committed_day,
    plain_form,
    survey,
    writer_of,
)

STREAM: Final = "retention"
_log = logging.getLogger("l2_retention")


class RetentionRun:
    """Retention over a vault at the time ``clock`` (Unix ms); ``dry`` plans, and touches nothing.

    Ages count to ``now``: the clock, but at most an hour after the newest raw record. Without a
    record nothing is deleted. ``supposed``: as if a record stood at the clock's time.
    ``results`` are those of all actions so far.
    """

    def __init__(
        self,
        vault: Vault,
        chosen: Retention,
        clock: int,
        *,
        dry: bool = False,
        supposed: bool = False,
    ) -> None:
        now = clock if supposed else age_moment(vault, clock)
        self.dated = now is not None
        self.now = clock if now is None else now
        self.rules = plan.rules_of(chosen, deletes=self.dated)
        self.results: list[ActionResult] = []
        self._vault, self._dry = vault, dry

    def go(self, budget: int | None = None) -> Survey:
        """Carry out the actions due by age, then those of the budget; return the vault after them.

        Raises NoDataError for a vault without dated files, LockedError while another run works.
        """
        seen = survey(self._vault)
        if not seen.series:
            raise NoDataError(
                f"no dated files in {self._vault.root}; start an exporter, or name another vault "
                "with --vault"
            )
        with ExitStack() as locks:
            if not self._dry:
                for inst_id in sorted({series.inst_id for series in seen.series}):
                    locks.enter_context(writer_lock(self._vault, STREAM, inst_id))
                for part in ("raw", "derived"):
                    compress.clear(self._vault.root / part)
                seen = survey(self._vault)
            seen = self._do(plan.by_age(seen.series, self.rules, self.now), seen)
            if budget is not None:
                excess = seen.total - budget
                drops = plan.over_budget(seen.series, self.rules, self.now, excess)
                seen = self._do(drops, seen)
        return seen

    def _do(self, actions: Sequence[Action], seen: Survey) -> Survey:
        if self._dry:
            self.results += [ActionResult(action, PLANNED, action.frees) for action in actions]
            return plan.after(seen, actions)
        self.results += [self._act(action) for action in actions]
        return survey(self._vault) if actions else seen

    def _act(self, action: Action) -> ActionResult:
        path = plain_form(self._vault, action.file)
        act = self._delete if action.kind == plan.DELETE else self._compress
        try:
            return ActionResult(action, DONE, act(action, path))
        except (compress.HeldOpenError, LockedError) as error:
            _log.warning("%s", error)
            return ActionResult(action, SKIPPED)
        except VaultError as error:
            _log.error("%s", error)
            return ActionResult(action, FAILED)

    def _delete(self, action: Action, path: Path) -> int:
        compress.delete(compress.packed_form(path))
        compress.delete(path)
        say = _log.warning if action.unread else _log.info
        say("deleted %s, %s: %s", path, size(action.file.size), action.reason)
        return action.file.size

    def _compress(self, action: Action, path: Path) -> int:
        with ExitStack() as lock:
            if action.file.stream in plan.COMPUTED:
                lock.enter_context(
                    writer_lock(self._vault, writer_of(action.file.stream), action.file.inst_id)
                )
                committed = committed_day(self._vault, action.file.inst_id, action.file.stream)
                if committed is not None and action.file.key >= committed:
                    raise compress.HeldOpenError(
                        f"{path}: its calculator is back at it; left as it is"
                    )
            length = compress.pack(path)
        if action.file.stream == plan.TRADES:
            self._carry_over(action.file.inst_id, action.file.key, path)
        _log.info("compressed %s to %s", path, size(length))
        return action.file.size - length

    def _carry_over(self, inst_id: str, key: str, path: Path) -> None:
        """Let the packed day be known by the content that was noted of it, for kept minutes."""
        with suppress(VaultError):  # it saves reading the day once more, and nothing else
            generation = read_generation(self._vault.generation(inst_id))
            contents = RawContents(self._vault, inst_id, generation)
            contents.carry_over(key, compress.packed_form(path))
            contents.save()
