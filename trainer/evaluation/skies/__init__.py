"""Where the skies come from that are compared: captures, bundles and their ablations, simulator, the system of 2021."""
