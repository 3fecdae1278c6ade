"""What every measurement needs: its input, its rounds, the machine it ran on, and its report."""
