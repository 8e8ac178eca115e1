"""``edge_lab.py predict fit|show``: fits the model of a fade, and shows its worth."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from Edge_Lab.calibration import Calibration
from Edge_Lab.executions import executions
from Edge_Lab.judged_span import judged_span
from Edge_Lab.lab_paths import LAB_VERSION, LabPaths
from Edge_Lab.model_file import LARGEST, read_model, written
from Edge_Lab.predictor import FACTS, INPUTS, FadeModel, filled, other_settings, weaknesses
from Edge_Lab.predictor_fit import PENALTY, fit, require
from Edge_Lab.trial_files import needed_trials
from Edge_Lab.trial_ledger import (
    ChainedLog,
    DayInput,
    Evaluation,
    data_id,
    record,
    setting_id,
)
from ravequant import cli, settings, times
from ravequant.errors import DONE, NoDataError, UsageError
from ravequant.settings import Settings
from ravequant.vault.atomic import disk_error, replace_file
from ravequant.vault.paths import Vault

ACTIONS: Final = ("fit", "show")
IF: Final = "if the setup fits the days that the model was fitted on, and if its order fills"
_COEFFICIENTS: Final = 3  # shown
_SHOWN = ("age_max", "status", "families", "queue", "event_id", "A_utc", "X_utc", "facts")


class JudgedTrials(NamedTuple):
    """The trials of the default execution, without their placebos."""

    days: list[str]  # UTC, ascending
    lines: list[dict[str, Any]]
    data_id: str


def predict(args: argparse.Namespace) -> int:
    """Run the word after ``predict``."""
    if args.action not in ACTIONS:
        raise UsageError("predict needs one word more: fit or show")
    vault, chosen = cli.vault_of(args), settings.load()
    if args.action == "fit":
        require()
        model = _fitted(vault, chosen, cli.instruments_of(args, chosen.instruments))
    else:
        model = _stored(vault)
    lacking = [*weaknesses(model), *other_settings(model, config_of(chosen))]
    sys.stdout.write(_json(model, lacking) if args.json else "\n".join(_page(model, lacking)))
    sys.stdout.write("\n")
    return DONE


def config_of(chosen: Settings) -> str:
    """Return the config_id of a model under the settings."""
    return setting_id(
        {
            "exec_id": executions(chosen)[0].exec_id,
            "facts": list(FACTS),
            "family": "base",
            "fill": "queue",
            "lab": LAB_VERSION,
            "penalty": PENALTY,
        }
    )


def _fitted(vault: Vault, chosen: Settings, inst_ids: Sequence[str]) -> FadeModel:
    """Fit the model, write the ledger and then the file, and return it."""
    config_id, trials = config_of(chosen), _judged(vault, inst_ids, chosen)
    model = fit(
        filled(trials.lines),
        trials.days,
        config_id=config_id,
        data_id=trials.data_id,
        instruments=inst_ids,
    )
    base = [line for line in trials.lines if "base" in line["families"]]
    look = Evaluation(
        made_utc=times.iso(times.utc_now_ms()),
        role="oos",
        config_id=config_id,
        data_id=trials.data_id,
        code=LAB_VERSION,
        family="base",
        model="queue",
        instruments=tuple(inst_ids),
        days=(trials.days[0], trials.days[-1]),
        fills=model.fills,
        missed=sum(line["status"] == "missed" for line in base),
        gap=sum(line["status"] == "gap" for line in base),
        net=None,
        delta=None,
        se=None,
    )
    record(ChainedLog(LabPaths(vault).ledger), [look])
    replace_file(LabPaths(vault).model, written(model, LAB_VERSION))
    return model


def _judged(vault: Vault, inst_ids: Sequence[str], chosen: Settings) -> JudgedTrials:
    """Return the judged trials of all instruments. NoDataError if there are none."""
    default = executions(chosen)[0]
    span = judged_span(vault, inst_ids).judged_by(default)
    lines: list[dict[str, Any]] = []
    inputs: list[DayInput] = []
    for (day, inst_id), note in span.notes.items():
        entry = note.trials[default.exec_id]
        path = LabPaths(vault).trials(inst_id, default.exec_id, day)
        name = path.relative_to(vault.root).as_posix()
        inputs.append(DayInput(name, entry.crc32, entry.length))
        found = needed_trials(vault, inst_id, default.exec_id, day)
        lines += ({name: line.get(name) for name in _SHOWN} for line in found)
    if not span.notes:
        raise NoDataError(
            f"no judged day of {', '.join(inst_ids)} under these settings (exec_id "
            f"{default.exec_id}): edge_lab.py judge"
        )
    return JudgedTrials(span.days, lines, data_id(inputs))


def _stored(vault: Vault) -> FadeModel:
    """Return the model of the vault. NoDataError if there is none, VaultError if damaged."""
    path = LabPaths(vault).model
    try:
        with path.open("rb") as file:
            return read_model(file.read(LARGEST + 1), str(path))
    except FileNotFoundError:
        raise NoDataError(f"{path}: no model was fitted yet; edge_lab.py predict fit") from None
    except OSError as error:
        raise disk_error(path, "read", error) from error


# --- the page ------------------------------------------------------------------------------------


def _page(model: FadeModel, lacking: Sequence[str]) -> list[str]:
    """Return the lines for a person: the trials, the test, and the refusals."""
    names = ", ".join(model.instruments)
    lines = [
        f"{names}: {model.days} days, {model.fills} fills, {100 * model.rate:.1f} % of them paid",
        f"fitted on trials up to {times.iso(model.until_ms)}",
    ]
    if model.tested is not None:
        lines += _tested(model.tested, model.boosting_brier)
    pairs = sorted(_weights(model).items(), key=lambda pair: -abs(pair[1]))[:_COEFFICIENTS]
    moved = ", ".join(f"{name} {weight:+.2f}" for name, weight in pairs)
    lines.append(f"largest coefficients, a standard deviation each: {moved}")
    if not lacking:
        return [*lines, f"it passes: its chance of a profit holds {IF}"]
    return [*lines, "it refuses to give a chance:", *(f"- {reason}" for reason in lacking)]


def _tested(tested: Calibration, boosting: float | None) -> list[str]:
    p = "none" if tested.p is None else f"{tested.p:.3f}"
    scores = {"": tested.brier, ", of the base rate ": tested.base_brier}
    if boosting is not None:
        scores[", of gradient boosting "] = boosting
    brier = "".join(f"{name}{score:.4f}" for name, score in scores.items())
    parts = {
        "MCB": tested.miscalibration, "DSC": tested.discrimination, "UNC": tested.uncertainty,
    }  # fmt: skip
    return [
        f"on {tested.days} days unknown to it, {tested.outcomes} fills: Brier score {brier}",
        f"skill {100 * tested.skill:+.1f} %, p {p}",
        ", ".join(f"{name} {part:.4f}" for name, part in parts.items()),
        "said %  paid %  fills",
        *(
            f"{100 * said:6.1f}  {100 * came:6.1f}  {outcomes:5}"
            for said, came, outcomes in tested.reliability
        ),
    ]


def _weights(model: FadeModel) -> dict[str, float]:
    return dict(zip(INPUTS, model.logistic.coefficients.tolist(), strict=True))


def _json(model: FadeModel, lacking: Sequence[str]) -> str:
    row: Mapping[str, Any] = orjson.loads(written(model, LAB_VERSION))
    kept = ("config_id", "data_id", "instruments", "days", "fills", "wins", "from_utc", "until_utc")
    shown = {name: row[name] for name in (*kept, "tested", "boosting_brier")}
    return orjson.dumps({"passes": not lacking, "refuses": list(lacking), **shown}).decode()
