"""In: MaskedRecords and documents. Out: what was kept, exactly once. Adapters of `triage.ports.records` and `triage.ports.state`."""
