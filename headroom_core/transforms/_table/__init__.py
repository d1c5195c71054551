"""Tables as text: reading the common layouts into a `Grid` (`read`) and padding away and back (`padding`)."""
