; prelude.lisp: what the interpreter defines in its own language, read at every start.

(define (caar p) (car (car p)))
(define (cadr p) (car (cdr p)))
(define (cdar p) (cdr (car p)))
(define (cddr p) (cdr (cdr p)))
(define (caddr p) (car (cdr (cdr p))))
(define (list . items) items)

(define (not x) (if x #f #t))
(define (zero? n) (= n 0))
(define (positive? n) (> n 0))
(define (negative? n) (< n 0))
(define (even? n) (= (modulo n 2) 0))
(define (odd? n) (not (even? n)))
(define (abs n) (if (< n 0) (- n) n))
(define (max a b) (if (< a b) b a))
(define (min a b) (if (< a b) a b))
(define (gcd a b) (if (= b 0) (abs a) (gcd b (modulo a b))))

(define (fold f start items)
  (if (null? items)
      start
      (fold f (f start (car items)) (cdr items))))

(define (reverse items) (fold (lambda (done item) (cons item done)) '() items))

(define (length items) (fold (lambda (n item) (+ n 1)) 0 items))

(define (map f items)
  (let loop ((left items) (done '()))
    (if (null? left)
        (reverse done)
        (loop (cdr left) (cons (f (car left)) done)))))

(define (for-each f items)
  (if (null? items)
      '()
      (begin (f (car items)) (for-each f (cdr items)))))

(define (filter keep? items)
  (reverse (fold (lambda (done item) (if (keep? item) (cons item done) done)) '() items)))

(define (append first second)
  (fold (lambda (done item) (cons item done)) second (reverse first)))

(define (iota n)
  (let loop ((i (- n 1)) (done '()))
    (if (< i 0) done (loop (- i 1) (cons i done)))))

(define (list-tail items n) (if (= n 0) items (list-tail (cdr items) (- n 1))))
(define (list-ref items n) (car (list-tail items n)))

(define (assoc key pairs)
  (cond ((null? pairs) #f)
        ((equal? key (caar pairs)) (car pairs))
        (else (assoc key (cdr pairs)))))

(define (member item items)
  (cond ((null? items) #f)
        ((equal? item (car items)) items)
        (else (member item (cdr items)))))

(define (list->vector items)
  (let ((made (make-vector (length items) #f)))
    (let loop ((i 0) (left items))
      (if (null? left)
          made
          (begin (vector-set! made i (car left)) (loop (+ i 1) (cdr left)))))))

(define (vector->list made)
  (let loop ((i (- (vector-length made) 1)) (done '()))
    (if (< i 0) done (loop (- i 1) (cons (vector-ref made i) done)))))

(define (sort items before?)
  (define (merge a b)
    (let loop ((a a) (b b) (done '()))
      (cond ((null? a) (append (reverse done) b))
            ((null? b) (append (reverse done) a))
            ((before? (car b) (car a)) (loop a (cdr b) (cons (car b) done)))
            (else (loop (cdr a) b (cons (car a) done))))))
  (define (halves items n)
    (if (< n 2)
        items
        (let ((half (quotient n 2)))
          (merge (halves (take items half) half) (halves (list-tail items half) (- n half))))))
  (halves items (length items)))

(define (take items n)
  (let loop ((left items) (n n) (done '()))
    (if (= n 0) (reverse done) (loop (cdr left) (- n 1) (cons (car left) done)))))

(define (newline) (display "\n"))
(define (print . items) (for-each display items) (newline))
