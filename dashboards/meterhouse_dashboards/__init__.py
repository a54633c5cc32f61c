"""Streamlit pages over the published snapshot; they hold no SQL for a figure that a metric defines."""
