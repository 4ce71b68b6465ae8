"""The page: a FastAPI shell, a Gradio app inside it, and one desk for each person."""
