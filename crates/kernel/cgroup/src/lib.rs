//! Control groups v1 and v2 behind one interface: plans as data, applied by file writes; knows no container engine.
