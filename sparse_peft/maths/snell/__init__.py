"""The mathematics of SNELL: a full update out of thin factors, and which of its entries stay."""
