"""In: Findings and live incidents. Out: IncidentChanges. Decides what is one problem, and lives its life."""
