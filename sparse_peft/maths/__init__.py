"""Pure functions, each fast one beside its slow plain twin.

wavelets, so and snell are those of one method each; kernels are called where they can be.
"""
