"""The bookkeeping of calibration constants: which belong to which runs of a release; read, check, query, snapshot."""
