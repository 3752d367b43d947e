"""What a stranger would try first, against a running API: python smoke.py URL TOKEN, with the client on the path."""

import json
import sys

from bevyly_client import AuthenticatedClient
from bevyly_client.api.leads import create_lead, get_lead, list_leads
from bevyly_client.models import Lead, LeadCreate, LeadPage, Problem


def main(url: str, token: str) -> None:
    """Create a lead, read it, list it, and ask for one that is not there."""
    with AuthenticatedClient(base_url=url, token=token, raise_on_unexpected_status=True) as client:
        created = create_lead.sync(
            client=client, body=LeadCreate(company_name="Glass & Co", contact_email="gia@glass.example")
        )
        assert isinstance(created, Lead), created
        read = get_lead.sync(created.id, client=client)
        assert isinstance(read, Lead), read
        assert read.company_name == "Glass & Co"
        page = list_leads.sync(client=client, limit=1, q="Glass")
        assert isinstance(page, LeadPage), page
        assert [lead.id for lead in page.data] == [created.id]
        missing = get_lead.sync("nothing", client=client)
        assert isinstance(missing, Problem), missing
        assert missing.code == "not_found"
    sys.stdout.write(json.dumps({"id": created.id, "version": read.version}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
