def explain(step: str, number: int, text: str) -> str:
    return f"{step}: {text}"
