#!/bin/sh
# screenshot.sh PAGE FOLDER [check]: PAGE in headless Chromium, as people see it: light.png, dark.png,
# phone.png (390 pixels wide), print.pdf. With "check" no pictures: fails where the page is wider than a
# phone, where a script complains or something would be fetched (the page forbids it, which the console
# says), or where sorting or the theme don't work.
set -eu
page=$(realpath "$1")
mkdir -p "$2"
folder=$(realpath "$2")
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# A time limit: a browser that hangs must not hang its caller.
run() {
  timeout 120 "$browser" --headless=new --no-sandbox --disable-gpu --hide-scrollbars \
    --allow-file-access-from-files --user-data-dir="$scratch/profile" --enable-logging=stderr \
    --virtual-time-budget=4000 "$@" 2>"$scratch/log"
}

# The page in a frame as wide as a phone, in a window that browsers don't widen.
frame() {
  cat >"$scratch/frame.html" <<END
<!DOCTYPE html><html><body style="margin:0"><iframe id="page" src="file://$page"
 style="border:0;width:390px;height:${1}px"></iframe><pre id="result">not loaded</pre>
<script>
window.onload = function () {
  var frame = document.getElementById("page"), inside = frame.contentDocument, found = [];
  function expect(what, ok) { if (!ok) found.push(what); }
  expect("wider than 390: " + inside.documentElement.scrollWidth,
         inside.documentElement.scrollWidth <= 390);
  var toggle = inside.getElementById("theme"), root = inside.documentElement;
  var before = root.getAttribute("data-theme");
  expect("toggle hidden", !toggle.hidden);
  toggle.click();
  expect("theme stays " + before, root.getAttribute("data-theme") !== before);
  toggle.click();
  inside.querySelectorAll("table").forEach(function (table, number) {
    var column = 0, heads = table.tHead.rows[0].cells;
    while (column + 1 !== heads.length) { if (heads[column].classList.contains("n")) break; column += 1; }
    heads[column].querySelector("button").click();
    var keys = Array.from(table.tBodies[0].rows).map(function (row) {
      var key = row.cells[column].getAttribute("data-key");
      return key === null ? row.cells[column].textContent : key;
    });
    var numbers = keys.map(parseFloat).filter(function (key) { return !isNaN(key); });
    var sorted = numbers.every(function (key, i) { return i === 0 || numbers[i - 1] <= key; });
    if (heads[column].classList.contains("n")) expect("table " + number + " not sorted", sorted);
  });
  document.getElementById("result").textContent = found.length ? "FOUND " + found.join("; ") : "FINE";
};
</script></body></html>
END
}

if [ "${3:-}" = check ]; then
  frame 900
  run --dump-dom "file://$scratch/frame.html" >"$scratch/dom"
  if grep -a "CONSOLE" "$scratch/log"; then exit 1; fi
  grep -ao '<pre id="result">.*</pre>' "$scratch/dom"
  grep -aq '<pre id="result">FINE</pre>' "$scratch/dom"
  exit
fi

height=${SCREENSHOT_HEIGHT:-2600}
run --window-size=1280,"$height" --screenshot="$folder/light.png" "file://$page"
run --window-size=1280,"$height" --blink-settings=preferredColorScheme=0 \
  --screenshot="$folder/dark.png" "file://$page"
frame "$height"
sed -i 's/<pre.*//; /^<script>/,/^<.script>/d' "$scratch/frame.html"
run --window-size=500,"$height" --screenshot="$folder/phone.png" "file://$scratch/frame.html"
run --no-pdf-header-footer --print-to-pdf="$folder/print.pdf" "file://$page"
