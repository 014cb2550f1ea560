"""Networks in 8-bit integers: calibrated on imagery, with layers kept in f32 where labels need them."""
