"""What is known of each instance: by a look of the page, by what was reported, by its last drains."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from airflow_green_notify.drain.report import STOPPED_BY
from airflow_green_notify.examination import Examination, Finding
from airflow_green_notify.files.names import digest
from airflow_green_notify.looks import shared_queue
from airflow_green_notify.page.day import DAY, OtherConsumers
from airflow_green_notify.page.figures import Figures
from airflow_green_notify.page.looking import Look
from airflow_green_notify.page.watchers import WatcherView, watcher_view
from airflow_green_notify.page.wording import ago, count, moment, words
from airflow_green_notify.printable import NAME, TEXT
from airflow_green_notify.progress import span
from airflow_green_notify.stores.drain_record import DrainRecord
from airflow_green_notify.stores.report import Report

NOT_SEEN = "not looked at"
BEING_LOOKED_AT = "being looked at"
DRAIN_FAILED = "last drain failed"
NOT_LATELY = "not looked at for a day"
KINDS = {
    "not healthy": "bad",
    DRAIN_FAILED: "bad",
    "healthy, with warnings": "fair",
    NOT_LATELY: "fair",
    NOT_SEEN: "none",
    BEING_LOOKED_AT: "none",
    "healthy": "good",
}
"""How each verdict is coloured, in the order in which instances are shown."""

_NOTHING = "–"


@dataclass(frozen=True)
class FindingView:
    """What was looked at and found; ``kind`` is good, fair or bad."""

    kind: str
    check: str
    found: str
    remedy: str


@dataclass(frozen=True)
class DrainView:
    """What a drain brought."""

    ended: str
    text: str
    error: str
    batch: str


@dataclass(frozen=True)
class InstanceView:
    """An instance as the page shows it.

    :param id: Stands for it on the page.
    :param source: As of when this is, and who says so.
    :param turns: With which other connections it is looked at by turns, if it was not looked at yet.
    """

    id: str
    conn_id: str
    instance: str
    host: str
    verdict: str
    kind: str
    state: str
    waiting: str
    oldest: str
    last_drain: str
    source: str
    findings: Sequence[FindingView]
    drains: Sequence[DrainView]
    others: str
    watchers: Sequence[WatcherView]
    turns: str
    is_under_way: bool


@dataclass
class Known:
    """All that is known of an instance.

    :param is_connection: Whether Airflow lists its connection.
    """

    conn_id: str
    instance_id: str = ""
    is_connection: bool = False
    look: Look | None = None
    reported: Report | None = None
    drains: list[DrainRecord] = field(default_factory=list)
    others: OtherConsumers | None = None
    watchers: list[Report] = field(default_factory=list)


def known_instances(
    listed: Collection[str], readable: Collection[str], looks: Mapping[str, Look], read: Iterable[Figures]
) -> list[Known]:
    """Return what is known of connections that Airflow lists, and of others that stores tell of, by id.

    :param listed: Those of the readable ones that Airflow lists.
    :param readable: Connections that the user may read.
    """
    known = {each: Known(each, is_connection=True, look=looks.get(each)) for each in listed}
    for instance in known.values():
        if look := instance.look:
            instance.look = replace(look, others=[other for other in look.others if other in readable])

    def of(conn_id: str, instance_id: str) -> Known | None:
        if conn_id not in readable:
            return None
        each = known.setdefault(conn_id, Known(conn_id))
        each.instance_id = instance_id or each.instance_id
        return each

    for figures in read:
        drains = figures.drains.value.value if figures.drains else None
        for (conn_id, instance_id), records in drains.last.items() if drains else ():
            if each := of(conn_id, instance_id):
                each.drains = sorted([*each.drains, *records], key=lambda one: one.ended_at, reverse=True)
        for (conn_id, instance_id), others in drains.others.items() if drains else ():
            each = of(conn_id, instance_id)
            if each and (each.others is None or each.others.at < others.at):
                each.others = others
        for report in (figures.reports.value.value if figures.reports else None) or ():
            each = of(report.conn_id, report.instance_id) if report.conn_id else None
            if each is None:
                continue
            if report.kind == "watcher":
                each.watchers.append(report)
            elif each.reported is None or each.reported.at < report.at:
                each.reported = report
    return list(known.values())


def in_order(instances: Iterable[InstanceView]) -> list[InstanceView]:
    """Return first those that somebody has to look after."""
    places = [*KINDS]
    return sorted(instances, key=lambda each: (places.index(each.verdict), each.conn_id))


def instance_view(known: Known, now: datetime, looks_are_on: bool) -> InstanceView:
    """Return how it is shown.

    :param looks_are_on: Whether the page looks at the gateway itself.
    """
    examination, at, source = _latest(known)
    findings = list(map(_shown, examination.findings)) if examination else []
    last = known.drains[0] if known.drains else None
    is_new = looks_are_on and known.look is not None and known.look.at is None
    others = known.look.others if known.look and is_new else ()
    is_under_way = is_new and not others
    is_old = at is not None and now - at > DAY
    verdict = _verdict(examination, last, is_new, is_old)
    if examination is None and last is not None:
        at, source = last.ended_at, "what the last drain said"
    instance = (examination.instance if examination else "") or known.instance_id
    return InstanceView(
        id=f"i-{digest(known.conn_id)[:12]}",
        conn_id=words(known.conn_id, NAME),
        instance=words(instance, NAME) if instance else _NOTHING,
        host=words(examination.host, NAME) if examination and examination.host else _NOTHING,
        verdict=verdict,
        kind=KINDS[verdict],
        state=_brief(examination, "state"),
        waiting=_brief(examination, "count"),
        oldest=_oldest(examination, last, now),
        last_drain=_last_drain(last, now),
        source=f"{ago(at, now).capitalize()} ({moment(at)}): {source}." if at else "",
        findings=findings,
        drains=[_drain(each, now) for each in known.drains[:3]],
        others=_others(known.others, now),
        watchers=[watcher_view(each, now) for each in known.watchers],
        turns=f"It takes turns with {words(', '.join(others))}, which lead to the same instance: that is "
        "looked at once a minute."
        if others
        else "",
        is_under_way=is_under_way,
    )


def _verdict(examination: Examination | None, last: DrainRecord | None, is_new: bool, is_old: bool) -> str:
    """Return the verdict; an instance that is healthy, and yet can't be drained, is told of by its drain.

    :param is_old: Whether the examination says nothing of today.
    """
    if examination and not examination.healthy and not is_old:
        return examination.verdict
    if last is not None and last.error:
        return DRAIN_FAILED
    if examination:
        return NOT_LATELY if is_old else examination.verdict
    return BEING_LOOKED_AT if is_new else NOT_SEEN


def _latest(known: Known) -> tuple[Examination | None, datetime | None, str]:
    """Return the newest examination, when it was, and who made it."""
    look, report = known.look, known.reported
    if look and look.examination and look.at and (report is None or report.at <= look.at):
        seen = look.examination
        findings = [*seen.findings[:1], *shared_queue(look.others), *seen.findings[1:]]
        return replace(seen, findings=findings), look.at, "this page looked"
    if report is not None:
        return _examination(report), report.at, "a task examined it (check_instance)"
    return None, None, ""


def _examination(report: Report) -> Examination:
    """Return the examination that was reported; whatever else stands there is left out."""
    body = report.body
    findings = body.get("findings")
    return Examination(
        report.conn_id,
        str(body.get("instance") or report.instance_id),
        str(body.get("host") or ""),
        [*_findings(findings)] if isinstance(findings, Sequence) and not isinstance(findings, str) else [],
    )


def _findings(values: Iterable[Any]) -> Iterator[Finding]:
    for each in values:
        if isinstance(each, Mapping):
            ok = each.get("ok")
            texts = [str(each.get(name) or "") for name in ("check", "found", "remedy", "brief")]
            yield Finding(texts[0], ok if isinstance(ok, bool) else None, *texts[1:])


def _shown(finding: Finding) -> FindingView:
    kind = {True: "good", False: "bad", None: "fair"}[finding.ok]
    return FindingView(
        kind, words(finding.check, NAME), words(finding.found, TEXT), words(finding.remedy, TEXT)
    )


def _brief(examination: Examination | None, check: str) -> str:
    for finding in examination.findings if examination else ():
        if finding.check == check:
            return words(finding.brief or finding.found.partition(";")[0], NAME)
    return _NOTHING


def _oldest(examination: Examination | None, last: DrainRecord | None, now: datetime) -> str:
    seen = _brief(examination, "oldest")
    if seen != _NOTHING or last is None or last.oldest_age is None:
        return seen
    return f"{span(last.oldest_age)}, as the last drain saw it"


def _last_drain(last: DrainRecord | None, now: datetime) -> str:
    if last is None:
        return "none ended in 24 h"
    outcome = "failed" if last.error else f"{count(last.stored)} new"
    return f"{ago(last.ended_at, now)}: {outcome}"


def _drain(record: DrainRecord, now: datetime) -> DrainView:
    took = span((record.ended_at - record.began_at).total_seconds())
    parts = [f"{count(record.received)} received, {count(record.stored)} new"]
    told = {
        "there already": record.duplicates,
        "dead letters": record.dead_letters,
        "doubtful deletes": record.doubtful_deletes,
    }
    parts += [f"{count(number)} {name}" for name, number in told.items() if number]
    why = STOPPED_BY.get(record.stopped_by, words(record.stopped_by, NAME))
    return DrainView(
        f"{ago(record.ended_at, now)} ({moment(record.ended_at)})",
        f"{', '.join(parts)}, in {took}; stopped because {why}.",
        words(record.error, TEXT),
        words(record.batch_id, TEXT),
    )


def _others(others: OtherConsumers | None, now: datetime) -> str:
    if others is None:
        return ""
    return (
        f"Another consumer deletes from this queue: a drain saw {count(others.signs)} "
        f"{'sign' if others.signs == 1 else 'signs'} of it, "
        f"{ago(others.at, now)}. Find what else uses this instance (a bot, n8n, another Airflow) and stop it."
    )
