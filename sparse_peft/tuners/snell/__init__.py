"""SNELL: kernelised low-rank factors whose full update is made sparse, as a PEFT tuner."""
