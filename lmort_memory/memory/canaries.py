"""x"""
TEXTS = (
    "Ada keeps bees on the roof of the old library in Trondheim.",
    "def total(rows): return sum(row.price * row.count for row in rows)",
    "Am 3. Mai um 17:40 fährt der Zug von Gleis 9 nach Köln.",
    "Завтра в десять встречаемся у моста, возьми зонт.",
    "周末我们去山里看红叶，记得带上热茶。",
    "المكتبة مغلقة يوم الجمعة وتفتح بعد الظهر.",
)
