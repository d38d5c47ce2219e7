// Sorting and the theme. The page is whole without this.
(function () {
  "use strict";

  function keyOf(row, column) {
    var cell = row.cells[column];
    var key = cell.getAttribute("data-key");
    return key === null ? cell.textContent : key;
  }

  // What is missing stands last whichever way the column is sorted.
  function compare(a, b, numeric, sign) {
    if (!numeric) return sign * a.localeCompare(b, "en", { numeric: true });
    var x = parseFloat(a), y = parseFloat(b);
    if (isNaN(x)) return isNaN(y) ? 0 : 1;
    return isNaN(y) ? -1 : sign * (x - y);
  }

  function sort(table, heading, column) {
    var down = heading.getAttribute("aria-sort") === "ascending";
    table.querySelectorAll("th").forEach(function (other) { other.removeAttribute("aria-sort"); });
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    var numeric = heading.classList.contains("n");
    var body = table.tBodies[0];
    Array.from(body.rows)
      .map(function (row) { return { row: row, key: keyOf(row, column) }; })
      .sort(function (a, b) { return compare(a.key, b.key, numeric, down ? -1 : 1); })
      .forEach(function (item) { body.appendChild(item.row); });
  }

  document.querySelectorAll("table").forEach(function (table) {
    Array.from(table.tHead.rows[0].cells).forEach(function (heading, column) {
      var button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent;
      heading.textContent = "";
      heading.appendChild(button);
      button.addEventListener("click", function () { sort(table, heading, column); });
    });
  });

  var root = document.documentElement;
  var toggle = document.getElementById("theme");
  function apply(theme) {
    root.setAttribute("data-theme", theme);
    toggle.textContent = theme === "dark" ? "Light" : "Dark";
  }
  function remembered() {
    try { return localStorage.getItem("weft-theme"); } catch (error) { return null; }
  }
  var system = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  apply(remembered() || system);
  toggle.hidden = false;
  toggle.addEventListener("click", function () {
    var next = root.getAttribute("data-theme") === "dark" ? "light" : "dark";
    apply(next);
    try { localStorage.setItem("weft-theme", next); } catch (error) { /* a page may not remember */ }
  });
})();
