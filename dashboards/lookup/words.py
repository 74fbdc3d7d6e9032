"""What support can say about a call, in plain words: no jargon, no personal data, nothing promised that is not known.

The words depend on what was asked for (a payment, account data, a consent), on whose side it failed, and on how.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from dashboards.pages import Answer, Hop
from dashboards.words import SIDE_WORDS, duration, plural, spoken_time
from triage.domain.calls import SIDE_OF
from triage.domain.incident import Incident
from triage.domain.windows import NS

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request was for: 'tried to …', 'your …', and whether money could have moved."""

    tried: str
    noun: str
    money: bool = False

    def subject(self) -> str:
        """What did or did not work: 'your payment', 'your request to read a balance'."""
        return self.noun if self.money or self.noun == "request" else f"request to {self.tried}"


_WISHES: Final[tuple[tuple[tuple[str, ...], Wish, Wish], ...]] = (  # route words, changing request, reading request
    (("consent",), Wish("allow access to the account", "permission for the app"),
     Wish("look at a permission for the account", "permission for the app")),
    (("payment", "transfer", "vrp"), Wish("make a payment", "payment", money=True),
     Wish("look up how a payment is getting on", "payment status")),
    (("funds",), Wish("check whether there is enough money for a payment", "check of available money"),
     Wish("check whether there is enough money for a payment", "check of available money")),
    (("balance",), Wish("read a balance", "balance"), Wish("read a balance", "balance")),
    (("transaction",), Wish("read the list of transactions", "list of transactions"),
     Wish("read the list of transactions", "list of transactions")),
    (("standing-order", "direct-debit", "scheduled"), Wish("change a regular payment", "regular payment", money=True),
     Wish("read the regular payments", "list of regular payments")),
    (("account",), Wish("use account details", "account details"), Wish("read account details", "account details")),
    (("token", "authorize", "authorise", "oauth", "/par"), Wish("connect the app to the account", "connection"),
     Wish("connect the app to the account", "connection")),
)
_ANYTHING: Final = (Wish("change something", "request"), Wish("get information", "request"))

_CUSTOMER_REASONS: Final[dict[str, tuple[str, str]]] = {  # code -> (what happened, what to do)
    "CONSENT_EXPIRED": ("the permission that was given to the app has run out", "open the app and allow it access again"),
    "TKXP": ("the permission that was given to the app has run out", "open the app and allow it access again"),
    "UK.OBIE.Reauthenticate": ("the app needs a fresh permission", "open the app and allow it access again"),
    "login_required": ("the app needs a fresh permission", "open the app and sign in to the bank again"),
    "access_denied": ("the request was declined on the approval screen", "try again and approve it, if it was wanted"),
    "PSU_CREDENTIALS_INVALID": ("the sign-in details were not right", "try again with the right sign-in details"),
    "SCA_INVALID": ("the security check was not completed", "try again and finish the security check"),
    "FUNDS_NOT_AVAILABLE": ("there was not enough money in the account", "check the balance and try again"),
    "AM04": ("there was not enough money in the account", "check the balance and try again"),
    "PAYMENT_FAILED": ("the payment was refused for this account", "contact us so that we can look at the account"),
    "UK.OBIE.Rules.FailsControlParameters": (
        "it went beyond the limits that were agreed with the app", "check the limits in the app"),
}


def wish_of(row: Row) -> Wish:
    """What a call was for."""
    route = row["route"].lower()
    changing = row["method"] in ("POST", "PUT", "PATCH", "DELETE")
    for names, change, read in _WISHES:
        if any(name in route for name in names):
            return change if changing else read
    return _ANYTHING[0] if changing else _ANYTHING[1]


def side_of(row: Row) -> str:
    """Whose side a call failed on; 'unknown' for one that worked."""
    return SIDE_OF.get(row["outcome"], "unknown")


def answer_for(row: Row, calls: list[Row], partner: str, incident: Incident | None, now_ns: int) -> Answer:
    """The answer about the call `row`, the one of `calls` that says most."""
    wish, when = wish_of(row), spoken_time(row["time_ns"], now_ns)
    app = partner if row["partner"] != "unknown" else "the customer's"
    asked = f"{_first_up(when)} the customer tried to {wish.tried} in {_the_app(app)}."
    if row["partner"] == "unknown":
        asked = f"{_first_up(when)} an app tried to {wish.tried} for the customer."
    if row["outcome"] == "ok":
        return _worked(row, calls, wish, asked, when)
    if row["outcome"] == "unknown":
        return Answer("We cannot tell how this request ended", f"{asked} No result was recorded.", "unknown",
                      _known(incident, now_ns), _say_unknown(wish, when))
    why, tell = _failure(row, wish, when, app)
    return Answer(_headline(row, wish), f"{asked} {why}{_also(row, calls)}", side_of(row), _known(incident, now_ns), tell)


def _the_app(name: str) -> str:
    """'the Moneta Pay app', not 'the Budget App app'."""
    return f"the {name}" if name.lower().endswith("app") else f"the {name} app"


def _headline(row: Row, wish: Wish) -> str:
    if wish.money:
        return "The payment was not made" if _not_begun(row) else "The payment was not confirmed"
    if wish.noun in ("request", "connection", "permission for the app"):
        return f"The {wish.noun} did not work"
    return f"The {wish.noun} could not be given"


def _worked(row: Row, calls: list[Row], wish: Wish, asked: str, when: str) -> Answer:
    slow = row["duration_ns"] >= 5 * NS
    took = f"We answered after {duration(row['duration_ns'])}" + (", which is slow." if slow else ".")
    failures = sum(1 for call in calls if call["outcome"] not in ("ok", "unknown"))
    before = f" Before that, {plural(failures, 'request')} with this number had failed." if failures else ""
    tell = f"“Your {wish.subject()} {when} worked on our side. If the app shows something else, please ask the app's support.”"
    return Answer("This request worked", f"{asked} It worked. {took}{before}", "unknown",
                  "Nothing failed, so there is no incident for it.", tell)


def _failure(row: Row, wish: Wish, when: str, app: str) -> tuple[str, str]:
    side = side_of(row)
    if side == "customer":
        return _by_customer(row, wish, when)
    if side == "partner":
        return _by_partner(row, wish, when, app)
    if side == "external":
        return (f"A provider outside the bank that we need for it did not work. {_outcome(row, wish)}",
                f"“Your {wish.subject()} {when} did not work because a provider that we rely on had a fault. {_advice(row, wish)}”")
    cause = {"gateway": "The entrance of our systems could not pass the request on."}.get(side, _bank_cause(row))
    unsure = wish.money and not _not_begun(row)
    how = "could not be confirmed" if unsure else "did not go through" if wish.money else "did not work"
    return (f"{cause} {_outcome(row, wish)}",
            f"“Your {wish.subject()} {when} {how} because of a fault on our side. {_advice(row, wish)} We are sorry.”")


def _bank_cause(row: Row) -> str:
    if _no_answer(row):
        return "Our system did not answer in time."
    return "Our system answered with an error."


def _no_answer(row: Row) -> bool:
    return row["status"] in (0, 408, 504) or row["duration_ns"] >= 15 * NS


def _not_begun(row: Row) -> bool:
    """Whether it is sure that no system of the bank carried out the request: it was refused, or never passed on."""
    if 400 <= row["status"] < 500:
        return True
    return row["outcome"] == "gateway_error" and row["responder"] == "gateway" and not row["upstream_status"]


def _outcome(row: Row, wish: Wish) -> str:
    if not wish.money:
        if row["method"] == "GET":
            return "No information was passed on."
        return "Nothing was changed." if _not_begun(row) else "We cannot tell from here whether it was carried out."
    if _not_begun(row):
        return "The payment was not made. No money moved."
    return "The payment was not confirmed. Check in the payment system whether it was made before anyone pays again."


def _advice(row: Row, wish: Wish) -> str:
    if not wish.money:
        return "Please try again later."
    if _not_begun(row):
        return "You have not been charged. Please try again later."
    return "Please look at your account before you pay again, so that you do not pay twice."


def _by_customer(row: Row, wish: Wish, when: str) -> tuple[str, str]:
    codes = row["codes"].split()
    reason, todo = next((_CUSTOMER_REASONS[code] for code in codes if code in _CUSTOMER_REASONS),
                        ("something has to be done by the customer first", "open the app and follow what it asks for"))
    return (f"It did not work because {reason}. {_outcome(row, wish)}",
            f"“Your {wish.subject()} {when} did not work because {reason}. Please {todo}.”")


def _by_partner(row: Row, wish: Wish, when: str, app: str) -> tuple[str, str]:
    reason = {
        401: "the app did not identify itself to us correctly",
        403: "the app is not allowed to do this",
        404: "the app asked for something that does not exist here",
        429: "the app sent too many requests at once",
    }.get(row["status"], "the app did not send its request in the right form")
    name = "the app" if app == "the customer's" else app
    return (f"We refused it because {reason}. {_outcome(row, wish)}",
            f"“Your {wish.subject()} {when} did not work because of how the app asked for it. Nothing is wrong with your account. "
            f"Please contact the support of {name}.”")


def _also(row: Row, calls: list[Row]) -> str:
    if len(calls) < 2:
        return ""
    failed = sum(1 for call in calls if call["outcome"] not in ("ok", "unknown"))
    text = f" Of {plural(len(calls), 'request')} with this number, {failed} failed."
    later = [call for call in calls if call["time_ns"] > row["time_ns"] and call["outcome"] == "ok"]
    return text + (" A later one worked." if later else "")


def _known(incident: Incident | None, now_ns: int) -> str:
    if incident is None:
        return "No. No incident is known for it; register the complaint so that it is counted."
    since = spoken_time(incident.first_seen_ns, now_ns)
    state = {
        "open": "has been found and is waiting for someone to take it", "acknowledged": "is being worked on",
        "snoozed": "is known and set aside for the moment", "resolved": "is over",
    }[incident.state]
    many = f" About {plural(incident.customers, 'customer')} had the same." if incident.customers > 1 else ""
    return f"Yes. {incident.id}, since {since.removeprefix('on ')}, {state}.{many}"


def _say_unknown(wish: Wish, when: str) -> str:
    return f"“We see your {wish.subject()} {when}, but not yet how it ended. We will find out and come back to you.”"


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]


NO_DETAILS: Final = "Its single steps were not recorded, since only a part of all requests is recorded in detail."

MISSES: Final[dict[str, tuple[str, str, str]]] = {  # reason -> headline, what happened, what to tell
    "malformed": ("There is no number in this that we could look for",
                  "Such a number has six or more letters and digits without spaces, and mostly looks like "
                  "93bac548-d2de-4546-b106-880a5018460d, 4bf92f3577b34da6a3ce929d0e0e4736 or PAY-2026-0001. Names, amounts, dates "
                  "and times are not enough. Paste the number, or the whole message that holds it.",
                  "“Could you send me the reference number that the app shows, or a screenshot of the error?”"),
    "never_seen": ("We have never seen this number",
                   "No request with this number reached us. It may be mistyped, or belong to the app's own system, or the "
                   "request never arrived here. Compare it with the original letter by letter; if it was sent just now, try again "
                   "in a minute.",
                   "“We cannot find your request on our side. Please ask the app's support whether it was sent to us.”"),
    "not_yet_indexed": ("This number is not here yet",
                        "Its record is still on its way to us. Try again in a minute.",
                        "“I am still waiting for the record of your request. One moment please.”"),
    "expired": ("This is older than what we keep",
                "The record of this request has been deleted, as our rules ask for. Ask for the number of a newer request, if it "
                "happened again.",
                "“Your request is older than our technical records. I pass it on to a colleague.”"),
    "not_permitted": ("You may not see this", "This number belongs to a matter of the security team, who can answer.",
                      "“I pass your request on to a colleague, who will come back to you.”"),
    "rejected_at_ingest": ("The record of this request was refused",
                           "It reached us, but its record could not be kept, so we do not know how the request ended. Tell the team "
                           "that runs Gateway Triage.",
                           "“We see that there was a request, but not how it ended. I pass it on to a colleague.”"),
    "sampled_out": ("Only the fact of this request was kept",
                    "Its details were not recorded, since only a part of all requests is recorded in detail. Ask for another "
                    "number of the same request, such as a request or payment number.",
                    "“We have no detailed record of your request. Please tell me the time and what the app showed.”"),
}


def miss_for(reason: str, detail: str = "") -> Answer:
    """The answer when nothing was found, with the honest reason."""
    headline, what, tell = MISSES[reason]
    known = "Only the security team can say." if reason == "not_permitted" else "Not known, since the request was not found."
    return Answer(headline, f"{what} {detail}".strip(), "unknown", known, tell)


def incident_answer(incident_id: str, title: str) -> Answer:
    """The answer to an incident's number."""
    return Answer(f"{incident_id} is an incident, not a request", f"{title}. Open the incident, or paste the number of the request.",
                  "unknown", f"Yes. {incident_id}.", "“I look into what we know and come back to you.”")


def hops_for(row: Row, partner: str) -> tuple[Hop, ...]:
    """The way of a request with the station that failed."""
    side = side_of(row)
    last = {"bank": row["service"] or "Bank's system", "external": "Outside provider"}.get(side, row["service"])
    app = partner if row["partner"] != "unknown" else "App"
    hops = [Hop("Customer", side == "customer"), Hop(app, side == "partner"), Hop("Gateway", side == "gateway")]
    if last:
        suffix = (": no answer" if _no_answer(row) else ": error") if side in ("bank", "external") else ""
        hops.append(Hop(last + suffix, side in ("bank", "external")))
    return tuple(hops)


def side_sentence(side: str, found: bool) -> str:
    """'Whose side', in words for support."""
    if side == "unknown":
        return "Nobody's: it worked." if found else "Not known."
    return {
        "customer": "The customer's: the customer has to do something first.",
        "partner": "The app's, not the customer's and not ours.",
        "gateway": "Ours, not the customer's and not the app's.",
        "bank": "Ours, not the customer's and not the app's.",
        "external": "An outside provider's, which we rely on; not the customer's and not the app's.",
    }.get(side, SIDE_WORDS["unknown"])
