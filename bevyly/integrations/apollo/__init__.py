"""Apollo.io: facts about companies and people. `connect_apollo` in `connect` gives the client, or its simulator."""
