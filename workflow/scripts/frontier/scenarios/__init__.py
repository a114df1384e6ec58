"""How requests reach an engine: MLPerf's scenarios. One file each."""
