/* The report: its matrix, with the pictures that stand in the page. */
matrix(document, JSON.parse(document.getElementById("data").textContent));
