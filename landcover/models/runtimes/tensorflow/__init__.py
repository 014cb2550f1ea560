"""TensorFlow: Keras files, SavedModels, frozen graphs and TensorFlow 1 checkpoints."""
