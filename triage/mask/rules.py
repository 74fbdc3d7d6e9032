"""What is secret or personal by the name of its key. Pure, standard library only.

A key is looked at without regard to case, dashes and underscores: its last component, its last two, and the whole.
Sources: OpenTelemetry semantic conventions, the headers of UK Open Banking and NextGenPSD2, the gateways' log formats.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final


class Rule(Enum):
    """What is done with the value of a key."""

    TEXT = "text"  # free text: masked by its content only
    ID = "id"  # a join key: survives when it looks like one
    DROP = "drop"  # nothing of it is kept
    AUTH = "auth"  # the scheme is kept, and of a JWT what names the client
    CODE = "code"  # an OAuth code is dropped, an error code is kept
    PSEUDONYM = "pseudonym"  # a keyed pseudonym, so that equal values still join
    ADDRESS = "address"  # an IP address: its network is kept
    PATH = "path"  # a path or URL: query dropped, account IDs in it become pseudonyms
    STRICT = "strict"  # known to be personal: masked by content, dropped when the content is not recognised
    SQL = "sql"  # a statement: its literals are dropped


_TECHNICAL: Final = frozenset({
    "service", "telemetry", "host", "os", "process", "container", "k8s", "cloud", "aws", "azure", "gcp", "faas", "code",
    "thread", "jvm", "db", "messaging", "rpc", "otel", "library", "device_class", "deployment", "feature_flag",
})
"""First components of keys that speak of machines, so that `host.name` or `cloud.account.id` are no person's."""

_TEXT: Final = frozenset({
    "clientid", "azp", "consumerusername", "xconsumerusername", "xconsumercustomid", "consumercustomid", "partnerid",
    "tppid", "openbankingtppid", "oauthclientid", "enduserclientid", "xcredentialidentifier", "errorcode", "statuscode",
    "clientsubject", "subjectdn", "sslclientsdn",
})
_ID: Final = (
    "traceid", "spanid", "parentid", "traceparent", "interactionid", "requestid", "correlationid", "consentid",
    "paymentid", "witnessid", "eventid", "messageid", "complaintid", "b3", "amzntraceid",
)
_DROP: Final = (
    "password", "passwd", "passphrase", "pwd", "secret", "apikey", "accesskey", "secretkey", "privatekey", "token",
    "credential", "credentials", "cookie", "cookies", "assertion", "signature", "samlresponse", "samlrequest",
    "awsaccesskeyid", "amzcredential", "jsessionid", "tppsignaturecertificate", "clientcertificate", "cdsclientheaders",
    "geolocation", "codeverifier", "authcode", "authorizationcode", "authorisationcode", "securitycode", "smscode",
    "verifycode", "verificationcode", "activationcode", "psuauthenticationdata", "scaauthenticationdata",
    "querystring", "urlquery", "httpquery", "rawquery", "requestbody", "responsebody", "bodycontent", "payload",
    "rawrequest", "rawresponse",
    "firstname", "lastname", "givenname", "familyname", "surname", "fullname", "middlename", "maidenname", "nickname",
    "customername", "custname", "holdername", "accountname", "acctname", "cardholder", "beneficiaryname", "payeename",
    "payername", "debtorname", "creditorname", "contactname", "psuname", "recipientname", "sendername", "cardname", "ownername",
    "personname", "debtoraccountname", "creditoraccountname",
    "birthdate", "dateofbirth", "birthday", "dob", "streetaddress", "postaladdress", "homeaddress", "addressline",
    "addresslines", "billingaddress", "customeraddress", "postcode", "zipcode", "passportnumber", "passportno",
    "nationalid", "taxid", "idcard", "idcardno", "idcardnumber", "remittanceinformation",
    "remittanceinformationunstructured", "narrative", "securityanswer", "mothermaidenname",
)
_DROP_EXACT: Final = frozenset({
    "otp", "totp", "pin", "cvv", "cvc", "cvv2", "cvc2", "sig", "query", "body", "jwt", "jws", "ssn", "nino", "cpf",
    "cnpj", "tfn", "passport", "idno", "certno", "pinblock", "track1", "track2", "secrets", "passcode",
})
_PSEUDONYM: Final = (
    "customerid", "customernumber", "customerno", "custid", "custno", "userid", "userhash", "username",
    "enduserpseudoid", "endusername", "psuid", "psucorporateid", "accountid", "accountnumber",
    "accountno", "acctid", "acctno", "acctnumber", "memberid", "cardid", "deviceid", "sessionid",
    "idempotencykey", "accountref", "partyid", "beneficiaryid", "bban", "sortcode", "accountidentification",
    "walletid", "loginid", "loginhint",
)
_PSEUDONYM_EXACT: Final = frozenset({"user", "enduser", "cif", "cifno", "sub", "subject", "customer", "psu", "login"})
_STRICT: Final = (
    "iban", "cardnumber", "cardno", "primaryaccountnumber", "email", "emailaddress", "phonenumber", "phone", "mobile",
    "mobileno", "mobilenumber", "telephone", "msisdn",
)
_STRICT_EXACT: Final = frozenset({"pan", "mail", "tel"})
_ADDRESS: Final = (
    "clientaddress", "clientip", "forwardedfor", "forwarded", "realip", "connectingip", "customeripaddress",
    "psuipaddress", "remoteaddr", "remoteip", "userip", "sourceip", "customerip",
)
_PATH: Final = frozenset({
    "urlpath", "urlfull", "httptarget", "httpurl", "path", "uri", "url", "target", "requesturi", "requesturl",
    "requestpath", "rawpath", "originalpath", "upstreamuri", "referer", "referrer", "httpreferer", "httpreferrer",
    "location",
    "redirecturi", "tppredirecturi", "tppnokredirecturi", "httprequestheaderreferer", "pathinfo",
})
_SQL: Final = frozenset({"dbstatement", "dbquerytext", "sql"})
_CHINESE: Final[dict[str, Rule]] = {
    "密码": Rule.DROP, "口令": Rule.DROP, "验证码": Rule.DROP, "姓名": Rule.DROP, "身份证": Rule.DROP,
    "地址": Rule.DROP, "卡号": Rule.STRICT,
    "手机号": Rule.STRICT, "手机": Rule.STRICT, "邮箱": Rule.STRICT, "账号": Rule.PSEUDONYM,
    "账户": Rule.PSEUDONYM, "客户号": Rule.PSEUDONYM,
}
_OWNERS: Final = frozenset({
    "debtor", "creditor", "payer", "payee", "customer", "account", "user", "psu", "beneficiary", "holder", "cardholder",
    "recipient", "sender", "owner", "person", "card", "contact", "debtoraccount", "creditoraccount", "accountholder",
})
_NOT_PLAIN: Final = re.compile(r"[^a-z0-9]")


def rule_of(key: str) -> Rule:
    """The rule for the value of a key, however the key is written (`X-API-Key`, `client_secret`, `clientSecret`)."""
    parts = [_NOT_PLAIN.sub("", part) for part in key.lower().split(".")]
    whole, last = "".join(parts), parts[-1]
    if not whole:
        return _chinese(key)
    if whole in _SQL:
        return Rule.SQL
    pair = "".join(parts[-2:])
    names = (last, pair, whole)
    if any(name in _TEXT for name in names) or "consumer" in whole:
        return Rule.DROP if last.endswith(("secret", "apikey", "token", "password")) else Rule.TEXT
    if len(parts) > 1 and parts[0] in _TECHNICAL:
        return Rule.DROP if last.endswith(_DROP[:6]) else Rule.TEXT
    return _by_name(names)


def owner_in(key: str) -> str:
    """The word for a person's thing that a key ends with (`Debtor` -> 'debtor'), or ''. Names inside it are personal."""
    last = _NOT_PLAIN.sub("", key.lower().rpartition(".")[2])
    return last if last in _OWNERS else ""


def _by_name(names: tuple[str, str, str]) -> Rule:
    last, pair, whole = names
    if last.endswith(("authorization", "authenticate")) and not last.startswith("www"):
        return Rule.AUTH
    if whole.endswith(_ADDRESS):
        return Rule.ADDRESS
    if any(name in _PATH for name in (last, whole)):
        return Rule.PATH
    if whole.endswith(_DROP) or last in _DROP_EXACT:
        return Rule.DROP
    if last == "code" and pair != "errorcode":
        return Rule.CODE if pair in ("code", "oauthcode", "querycode", "formcode") else Rule.TEXT
    if whole.endswith(_ID):
        return Rule.ID
    if whole.endswith(_PSEUDONYM) or last in _PSEUDONYM_EXACT:
        return Rule.PSEUDONYM
    if last.endswith(_STRICT) or last in _STRICT_EXACT:
        return Rule.STRICT
    return Rule.TEXT


def _chinese(key: str) -> Rule:
    return next((rule for word, rule in _CHINESE.items() if word in key), Rule.TEXT)
