"""The lines that a forge shows of a change."""

from bot.git.hunks import shown_lines

PATCH = """\
diff --git a/x.spec b/x.spec
--- a/x.spec
+++ b/x.spec
@@ -2,4 +2,5 @@ Name: x
 two
-three
+Three
+more
 four
 five
@@ -20 +21 @@
-old
+new
\\ No newline at end of file
"""


def test_lines_of_all_hunks_with_those_that_base_has_too() -> None:
    assert shown_lines(PATCH) == {2: 2, 3: None, 4: None, 5: 4, 6: 5, 21: None}


def test_no_line_of_a_file_without_a_patch() -> None:
    assert shown_lines("") == {}
    assert shown_lines("Binary files a/x and b/x differ\n") == {}
