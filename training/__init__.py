"""How the models that Backbeat ships were made: a package per model, a card in docs/models."""
