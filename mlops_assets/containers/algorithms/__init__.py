"""AWS's own algorithms as processes of this machine: what stands for their images."""
