"""Abnormal use by a partner: signs of it, against its own past and its peers."""
