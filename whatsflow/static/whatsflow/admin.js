// Asks before a move that cannot be taken back; without JavaScript the server's own rules still hold.
(() => {
  "use strict";
  document.addEventListener(
    "submit",
    (event) => {
      const asked = event.submitter?.dataset.confirm;
      if (asked && !window.confirm(asked)) {
        event.preventDefault();
        event.stopPropagation();
      }
    },
    true,
  );
})();
