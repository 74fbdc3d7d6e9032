"""Pure numerical analysis: no clock, no I/O; what is judged and the present time are arguments."""
