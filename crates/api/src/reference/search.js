"use strict";
const items = [...document.querySelectorAll("details.item")];
const texts = items.map((item) => item.textContent.toLowerCase());
document.getElementById("search").addEventListener("input", (event) => {
  const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  items.forEach((item, index) => item.classList.toggle("hidden", !words.every((word) => texts[index].includes(word))));
  document.querySelectorAll("section").forEach((section) =>
    section.classList.toggle("hidden", !section.querySelector("details.item:not(.hidden)")));
});
const open = () => {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.tagName === "DETAILS") { target.open = true; target.scrollIntoView(); }
};
addEventListener("hashchange", open);
open();
