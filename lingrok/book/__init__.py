"""What only a page needs: figures, sliders, findings and verdicts."""
