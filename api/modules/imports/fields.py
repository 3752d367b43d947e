"""Which fields a column can be, in which form its cells are, and by which names people call them."""

from api.modules.batch.kinds import KINDS, REFERENCES
from bevyly.imports.mapping import plain

FORMS = {
    "employee_count": "integer",
    "annual_revenue_minor": "money",
    "value_minor": "money",
    "expected_close_date": "day",
    "domain": "domain",
    "currency": "currency",
}
CHOSEN_BY = {
    "account_id": ("id", "external_id", "domain", "name"),
    "contact_id": ("id", "external_id", "email"),
    "lead_id": ("id", "external_id", "email"),
    "owner_id": ("id", "external_id", "email"),
}
"""How a cell may name another record."""
CUSTOM = "custom."
MATCHES = {
    "account": ("id", "external_id", "domain"),
    "contact": ("id", "external_id", "email"),
    "lead": ("id", "external_id", "email"),
    "opportunity": ("id", "external_id"),
}

_SYNONYMS = {
    "id": "recordid",
    "external_id": "externalid extid crmid sourceid reference",
    "name": "name accountname companyname company dealname opportunityname deal firma",
    "domain": "domain website web url companydomain companydomainname webseite",
    "industry": "industry sector branche",
    "employee_count": "employees employeecount numberofemployees headcount mitarbeiter",
    "annual_revenue_minor": "revenue annualrevenue turnover umsatz",
    "currency": "currency currencycode waehrung",
    "country": "country land",
    "city": "city town stadt ort",
    "first_name": "firstname givenname forename vorname",
    "last_name": "lastname surname familyname nachname",
    "email": "email emailaddress mail workemail",
    "contact_email": "email emailaddress mail workemail contactemail",
    "contact_name": "contactname fullname person ansprechpartner name",
    "company_name": "companyname company account accountname organisation organization firma",
    "phone": "phone phonenumber telephone mobile tel telefon",
    "title": "title jobtitle position",
    "seniority": "seniority level",
    "role": "role buyingrole",
    "source": "source leadsource quelle",
    "status": "status leadstatus",
    "stage": "stage dealstage phase",
    "value_minor": "amount value dealamount dealvalue wert betrag",
    "expected_close_date": "closedate expectedclosedate closingdate abschlussdatum",
    "owner_id": "owner ownerid owneremail accountowner leadowner contactowner dealowner",
    "account_id": "account accountid accountname company companyname",
    "contact_id": "contact contactid contactemail",
}


def fields_of(kind: str) -> tuple[str, ...]:
    """Fields of a kind that a column may be, besides `custom.…`."""
    names = tuple(name for name in KINDS[kind].create.model_fields if name != "custom")
    return ("id", *names)


def guess(kind: str, columns: list[str], rows: list[list[str]], own: dict[str, str]) -> dict[str, dict[str, str]]:
    """For each column that says what it is: the field, and by what another record is named. No field twice.

    `own` are labels of the tenant's own fields by their keys.
    """
    guessed: dict[str, dict[str, str]] = {}
    taken: set[str] = set()
    for index, column in enumerate(columns):
        cells = [row[index] for row in rows if index < len(row) and row[index].strip()]
        for name in fields_of(kind):
            words = {plain(name), *_SYNONYMS.get(name, "").split()}
            if name not in taken and plain(column) in words:
                taken.add(name)
                guessed[column] = {"field": name} | _named_by(name, cells)
                break
    for column in [one for one in columns if one not in guessed]:
        for key, label in own.items():
            name = f"{CUSTOM}{key}"
            if name not in taken and (column == name or plain(column) in (plain(key), plain(label))):
                taken.add(name)
                guessed[column] = {"field": name}
                break
    return guessed


def _named_by(name: str, cells: list[str]) -> dict[str, str]:
    if name not in REFERENCES:
        return {}
    looks = (
        "email"
        if any("@" in cell for cell in cells)
        else "name"
        if any(" " in cell for cell in cells)
        else "external_id"
    )
    return {"by": looks if looks in CHOSEN_BY[name] else CHOSEN_BY[name][-1]}
