"""The stations that watch: profiles, drift, captured predictions, labels, performance, bias."""
