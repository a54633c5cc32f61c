"""What gateways write down about the requests they carry: one module each, reading an allow-list and nothing else."""
