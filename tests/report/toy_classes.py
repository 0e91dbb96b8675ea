"""Three classes of a street."""

from vergence.data.labels import label_space

SPACE = label_space("toy:sky#4682b4,road#804080,car#00008e")
