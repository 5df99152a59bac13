"""One run: training, audit, and the forecast of a run that is not started."""
