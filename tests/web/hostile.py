"""Letters that try to run something, to call home, or to leave their frame."""

from __future__ import annotations

HOSTILE = (
    "<script>document.title='pwned'</script>",
    "<img src=x onerror=\"document.title='pwned'\">",
    "<svg onload=\"document.title='pwned'\"><script>document.title='pwned'</script></svg>",
    "<svg><animate onbegin=document.title='pwned' attributeName=x></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 "
    "onerror=document.title=1&gt;'>",
    "<meta http-equiv=refresh content='0;url={outside}/meta'>",
    "<base href='{outside}/'><a href='rel'>x</a><img src='rel.png'>",
    "<form action='{outside}/form'><input name=a value=b><button>go</button></form>",
    "<a href=\"javascript:document.title='pwned'\">x</a>",
    '<a href="jav&#x09;ascript:document.title=1">x</a>',
    '<a href="data:text/html,<script>1</script>">x</a>',
    "<div style=\"background:url('{outside}/css.png')\">x</div>",
    '<div style="background-color:red;background-image:\\75rl({outside}/css2.png)">x</div>',
    "<style>@import '{outside}/import.css'; body{background:url({outside}/body.png)}</style>",
    "<link rel=stylesheet href='{outside}/link.css'><link rel=prefetch href='{outside}/pre'>",
    "<iframe src='{outside}/frame'></iframe><iframe srcdoc='<script>1</script>'></iframe>",
    "<object data='{outside}/object'></object><embed src='{outside}/embed'>",
    "<video src='{outside}/video' poster='{outside}/poster' autoplay></video>",
    "<audio src='{outside}/audio' autoplay></audio>",
    "<img src='{outside}/pixel.gif' srcset='{outside}/set.gif 1x'>",
    "<picture><source srcset='{outside}/source.gif'><img src='{outside}/in.gif'></picture>",
    "<table background='{outside}/table.png'><tr><td background='{outside}/td.png'>x</td></tr>",
    "<body onload=\"document.title='pwned'\" background='{outside}/body2.png'>",
    "<input autofocus onfocus=\"document.title='pwned'\">",
    "<details open ontoggle=\"document.title='pwned'\">x</details>",
    "<noscript><p title=\"</noscript><img src=x onerror=document.title='pwned'>\">",
    "</div></body></html><script>document.title='pwned'</script>",
    "<img src='cid:none@here'><img src='//{host}/slashes.png'>",
    "<a href='{outside}/ping' ping='{outside}/ping2'>x</a>",
    "<p style='position:fixed;top:0;left:0;width:100%;height:100%'>over all</p>",
)
